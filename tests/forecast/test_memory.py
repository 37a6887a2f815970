"""The forecast of memory against the shapes."""

import pytest

from frod_bench.forecast.memory import footprint
from frod_bench.tasks.own.places import content_of


def test_memory_is_that_of_the_shapes(config):
    lora = config(rank=8, alpha=8, dropout=0.0)
    use = footprint(lora)
    assert use.weights == pytest.approx(4 * 354_310_144, rel=0.01)
    assert use.optimizer == 2 * use.gradients == pytest.approx(8 * (24 * 8 * (2 * 5 + 8) * 1024 + 1024**2), rel=0.02)
    assert footprint(lora, micro_batches=4).activations < 0.3 * use.activations
    assert use.initialisation < use.step


def test_the_head_has_the_classes_that_the_rows_have(config, tmp_path):
    def gradients(classes):
        rows = "".join(f"a film of kind {n},{n % classes}\n" for n in range(60))
        (tmp_path / "rows.csv").write_text(f"text,label\n{rows}")
        made = config(rank=8, alpha=8, dropout=0.0, data={"source": "own"})
        place = {"train": str(tmp_path / "rows.csv"), "eval": None}
        content = {key: content_of(value, key) for key, value in place.items()}
        made["task"] = {
            "_target_": "frod_bench.tasks.own_text.OwnTextTask",
            **{"name": "own/rows", "suite": "own", "metrics": ["accuracy"], "content": content, **place},
        }
        return footprint(made).gradients

    assert gradients(7) - gradients(2) == 4 * 5 * (1024 + 1)


@pytest.mark.parametrize(
    ("backbone", "task"),
    [("clip_vit_b32", "vision/dtd"), ("vit_l16", "vision/dtd"), ("smollm2_135m", "commonsense/piqa")],
)
def test_every_kind_of_backbone_has_a_footprint(backbone, task, config):
    made = config("full_ft", backbone=backbone, task=task, train={"batch_size": 4})
    made["backbone"] = {key: value for key, value in made["backbone"].items() if key != "class_names"}
    of_recipe = {"center_crop", "random_crop", "held_back"} & made["task"].keys()
    made["task"] |= dict.fromkeys(of_recipe)
    facts = made["backbone"]["facts"]
    assert footprint(made).weights == pytest.approx(4 * facts["parameters"], rel=0.02)
