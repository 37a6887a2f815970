"""Points that share a forward pass have the losses that they have alone, in every architecture."""

import pytest
import torch

from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.backbones.vit import VitBackbone
from frod_bench.landscape.surface import losses

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = ["a text", "a longer one", "b"]


def texts(model_type, num_labels, **sizes):
    sizes = SIZES | {"max_position_embeddings": 66} | sizes
    backbone = TinyBackbone("tiny", model_type, sizes, [], ["classifier", "score"])
    tokenizer = backbone.processor()
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    batch["labels"] = batch["input_ids"].clone() if num_labels is None else torch.tensor([0, 1, 1])
    return backbone, batch


def images():
    sizes = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}
    generator = torch.Generator().manual_seed(0)
    batch = {"pixel_values": torch.randn(3, 3, 16, 16, generator=generator), "labels": torch.tensor([0, 1, 1])}
    return VitBackbone("tiny", sizes, ["fc1"], ["classifier"]), batch


@pytest.mark.parametrize(
    ("make", "num_labels"),
    [
        (lambda: texts("roberta", 2, type_vocab_size=1), 2),
        (lambda: texts("bert", 2), 2),
        (lambda: texts("llama", 2), 2),
        (lambda: texts("llama", None), None),
        (images, 2),
    ],
    ids=["roberta", "bert", "llama", "llama-lm", "clip"],
)
def test_points_together_give_what_they_give_alone(make, num_labels):
    backbone, batch = make()
    model = backbone.build(num_labels, seed=0)
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    weights = {name: p for name, p in model.named_parameters() if name.removesuffix(".weight") in linear}
    points = [(0.0, 0.0), (0.5, -0.5), (1.0, 0.25)]
    alone, together = (
        [loss for _, loss in losses(model, weights, [(batch, 3)], points, seed=0, together=k)] for k in (1, 3)
    )
    assert together == pytest.approx(alone, rel=1e-4)
    assert len(set(alone)) == 3
