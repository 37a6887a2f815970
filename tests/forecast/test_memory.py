"""The forecast of memory against the shapes."""

import pytest

from frod_bench.forecast.memory import footprint


def test_memory_is_that_of_the_shapes(config):
    lora = config(rank=8, alpha=8, dropout=0.0)
    use = footprint(lora)
    assert use.weights == pytest.approx(4 * 354_310_144, rel=0.01)
    assert use.optimizer == 2 * use.gradients == pytest.approx(8 * (24 * 8 * (2 * 5 + 8) * 1024 + 1024**2), rel=0.02)
    assert footprint(lora, micro_batches=4).activations < 0.3 * use.activations
    assert use.initialisation < use.step


@pytest.mark.parametrize(
    ("backbone", "task"),
    [("clip_vit_b32", "vision/dtd"), ("vit_l16", "vision/dtd"), ("smollm2_135m", "commonsense/piqa")],
)
def test_every_kind_of_backbone_has_a_footprint(backbone, task, config):
    made = config("full_ft", backbone=backbone, task=task, train={"batch_size": 4})
    made["backbone"] = {key: value for key, value in made["backbone"].items() if key != "class_names"}
    facts = made["backbone"]["facts"]
    assert footprint(made).weights == pytest.approx(4 * facts["parameters"], rel=0.02)
