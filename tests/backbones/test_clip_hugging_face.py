"""Classifiers on open_clip's tower as models of transformers: the same logits, or None."""

import pytest
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import nn

from frod_bench.backbones.clip_hugging_face import image_processor, to_hugging_face
from frod_bench.backbones.clip_tower import PatchMeanClassifier, TextHeadClassifier
from frod_bench.backbones.image_transform import ImageTransform


def tower(act=nn.GELU):
    torch.manual_seed(0)
    return VisionTransformer(16, 8, 32, 2, 4, mlp_ratio=2.0, output_dim=24, act_layer=act)


@pytest.mark.parametrize("act", [nn.GELU, QuickGELU])
@torch.no_grad()
def test_the_logits_are_the_same(act):
    model = PatchMeanClassifier(tower(act), 3).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.05)
    made = to_hugging_face(model)
    pixels = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(made(pixel_values=pixels).logits, model(pixels).logits, rtol=1e-5, atol=1e-5)


def test_another_head_has_no_such_model():
    assert to_hugging_face(TextHeadClassifier(tower(), torch.randn(3, 24))) is None
    assert to_hugging_face(nn.Linear(2, 2)) is None


def test_the_processor_has_the_transforms_size_and_statistics():
    made = image_processor(ImageTransform(16, mean=(0.1, 0.2, 0.3)))
    assert made(torch.zeros(3, 40, 20), return_tensors="pt")["pixel_values"].shape == (1, 3, 16, 16)
    assert list(made.image_mean) == [0.1, 0.2, 0.3]
