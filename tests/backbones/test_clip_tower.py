"""The split tower computes what open_clip's does, through linear layers that can be replaced."""

import pytest
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import nn

from frod_bench.backbones.clip_tower import PatchMeanClassifier, SplitAttention, TextHeadClassifier, split_tower
from frod_bench.methods import attach

TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = VisionTransformer(32, 8, 32, 3, 2, 4.0, output_dim=16, act_layer=QuickGELU)
    for block in tower.transformer.resblocks:  # open_clip starts these at zero, which would hide a mistake
        nn.init.normal_(block.attn.in_proj_bias)
        nn.init.normal_(block.attn.out_proj.bias)
    return tower


def test_the_split_tower_has_open_clips_output(tower):
    with torch.no_grad():
        expected = tower(IMAGES)
        assert torch.allclose(split_tower(tower)(IMAGES), expected, rtol=0, atol=1e-5)


def test_attention_of_three_different_inputs():
    torch.manual_seed(0)
    fused = nn.MultiheadAttention(24, 3, batch_first=True)
    inputs = [torch.randn(2, 5, 24) for _ in range(3)]
    assert torch.allclose(SplitAttention(fused)(*inputs)[0], fused(*inputs)[0], rtol=0, atol=1e-6)


def test_every_target_is_called(tower):
    model = PatchMeanClassifier(tower, 4)
    called = set()
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in TARGETS:
            module.register_forward_hook(lambda *_, name=name: called.add(name))
    model(IMAGES)
    assert len(called) == 3 * len(TARGETS)


@pytest.mark.parametrize("method", ["frod", "lora"])
def test_every_adapter_gets_a_gradient(tower, method):
    adapted = attach(PatchMeanClassifier(tower, 4), method, targets=TARGETS, head=["classifier"])
    adapted.model(IMAGES, torch.tensor([0, 1, 2])).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for role in adapted.roles.values() for p in role)


def test_no_weight_is_left_without_a_gradient(tower):
    model = PatchMeanClassifier(tower, 4)
    model(IMAGES, torch.tensor([0, 1, 2])).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_the_head_reads_the_mean_of_the_patch_tokens_before_the_last_norm(tower):
    with torch.no_grad():
        tokens = tower.transformer(tower._embeds(IMAGES))
        model = PatchMeanClassifier(tower, 4)
        assert torch.allclose(model.features(IMAGES), tokens[:, 1:].mean(1), rtol=0, atol=1e-5)


def test_the_loss_is_the_mean_cross_entropy(tower):
    model, labels = PatchMeanClassifier(tower, 4), torch.tensor([3, 0, 1])
    output = model(IMAGES, labels)
    assert torch.equal(output.loss, nn.functional.cross_entropy(output.logits, labels))
    assert model(IMAGES).loss is None


def test_the_heads_start(tower):
    torch.manual_seed(1)
    head = PatchMeanClassifier(tower, 400).classifier
    assert head.weight.std().item() == pytest.approx(32**-0.5, rel=0.03)
    assert head.bias.eq(0).all()


def test_the_text_head_is_the_zero_shot_classifier(tower):
    vectors = torch.randn(5, 16)
    with torch.no_grad():
        expected = nn.functional.normalize(tower(IMAGES), dim=-1) @ vectors.T
        assert torch.allclose(TextHeadClassifier(tower, vectors)(IMAGES).logits, expected, rtol=0, atol=1e-5)
