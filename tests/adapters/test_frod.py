"""The FRoD layer as a module: exact at its start, the same function in every way, never a stale weight."""

import copy

import pytest
import torch
from torch import nn

from frod_bench.adapters.frod import FrodBasis, FrodLinear
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.frod_linear import WAYS
from frod_bench.ops.rotation import random_pattern

SHAPES = [(6, 10), (8, 8), (12, 8)]


def make_layers(m=8, n=8, dtype=torch.float32, count=2, way=None):
    """Return plain layers and the same ones adapted over one basis."""
    torch.manual_seed(0)
    plain = [nn.Linear(n, m).to(dtype).requires_grad_(False) for _ in range(count)]
    factors = joint_decomposition([layer.weight for layer in plain])
    basis = FrodBasis(factors.V.T.to(dtype), random_pattern(n, 0.2, seed=0))
    return plain, [FrodLinear(p, factors.U[i], factors.sigma[i], basis, way) for i, p in enumerate(plain)]


def move(layer):
    """Take a step away from the start."""
    with torch.no_grad():
        layer.values += 0.1 * torch.randn(layer.values.shape, generator=torch.Generator().manual_seed(1))
        layer.sigma *= 1.1


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_evaluation_starts_as_the_base_layer_bit_for_bit(m, n, dtype):
    (plain, _), (layer, _) = make_layers(m, n, dtype)
    x = draw(2, 3, n).to(dtype)
    assert torch.equal(layer.eval()(x), plain(x))


def test_evaluation_starts_as_the_base_layer_under_autocast():
    (plain, _), (layer, _) = make_layers()
    x = draw(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer.eval()(x)
        assert y.dtype == torch.bfloat16 and torch.equal(y, plain(x))


@pytest.mark.parametrize(("way", "exact"), [("residual", True), ("merged", True), ("factored", False)])
def test_training_starts_as_the_base_layer(way, exact):
    (plain, _), (layer, _) = make_layers(way=way)
    x = draw(5, 8)
    torch.testing.assert_close(layer(x), plain(x), rtol=0 if exact else 1e-5, atol=0 if exact else 1e-5)


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_all_ways_and_evaluation_are_one_function(m, n):
    results = []
    for way in [*WAYS, None]:
        layer = make_layers(m, n, way=way)[1][0]
        move(layer)
        for training in (True, False):
            x = draw(2, 3, n).requires_grad_()
            y = layer.train(training)(x)
            y.square().sum().backward()
            results.append((y.detach(), x.grad, layer.values.grad, layer.sigma.grad))
            layer.zero_grad()
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", ["fused", "foreach", "load", "assign", "half"])
def test_the_kept_weight_follows_every_change_in_evaluation(change):
    layer = make_layers()[1][0].eval()
    x = draw(5, 8)
    with torch.no_grad():
        before = layer(x)
    if change in ("fused", "foreach"):
        layer(x).square().sum().backward()
        torch.optim.AdamW([layer.values, layer.sigma], lr=0.1, **{change: True}).step()
    elif change == "load":
        state = {name: value + 0.1 for name, value in layer.state_dict().items() if "base" not in name}
        layer.load_state_dict(state, strict=False)
    elif change == "assign":
        layer.sigma.data = layer.sigma.data + 0.1
    else:
        layer.to(torch.bfloat16)
        x = x.bfloat16()
    with torch.no_grad():
        after = layer(x)
    assert change == "half" or (after - before).abs().max() > 1e-2
    assert torch.equal(copy.deepcopy(layer).train().eval()(x), after)


def test_the_merged_weight_is_kept_in_evaluation_and_dropped_in_training():
    layer = make_layers()[1][0].eval()
    with torch.no_grad():
        layer(draw(5, 8))
        kept = layer._kept[1]
        layer(draw(5, 8))
    assert layer._kept[1] is kept and torch.equal(kept, layer.weight)
    assert layer.train()._kept is None
    layer.eval()(draw(5, 8))
    assert layer._kept is None  # with gradients, as an optimizer step may follow


def test_inference_mode_leaves_nothing_behind_that_cannot_be_differentiated():
    layer = make_layers()[1][0].eval()
    x = draw(5, 8)
    with torch.inference_mode():
        expected = layer(x).clone()
    y = layer(x)
    y.sum().backward()
    assert torch.equal(y.detach(), expected) and layer.sigma.grad is not None


def test_several_forward_passes_before_one_backward():
    for way in WAYS:
        together = make_layers(way=way)[1][0]
        apart = make_layers(way=way)[1][0]
        x, z = draw(5, 8), 2 * draw(5, 8) + 1
        (together(x).square().sum() + together(z).square().sum()).backward()
        apart(x).square().sum().backward()
        apart(z).square().sum().backward()
        torch.testing.assert_close(together.values.grad, apart.values.grad)
        torch.testing.assert_close(together.sigma.grad, apart.sigma.grad)


def test_layers_share_their_basis_through_copies_and_casts():
    model = nn.ModuleList(make_layers()[1])
    for version in (model, copy.deepcopy(model), copy.deepcopy(model).to(torch.float64)):
        assert version[0].basis is version[1].basis
    assert len({id(layer.basis) for layer in (*model, *copy.deepcopy(model))}) == 2


def test_a_copy_is_independent():
    layer = make_layers()[1][0].eval()
    x = draw(5, 8)
    expected = layer(x)
    clone = copy.deepcopy(layer)
    assert torch.equal(clone(x), expected)
    move(clone)
    assert torch.equal(layer(x), expected) and not torch.equal(clone(x), expected)


def test_half_precision_keeps_its_trainable_values_in_float32():
    layer = make_layers(dtype=torch.bfloat16)[1][0]
    assert layer.sigma.dtype == layer.values.dtype == torch.float32 and layer.U.dtype == torch.bfloat16
    layer(draw(5, 8).bfloat16()).float().square().sum().backward()
    assert layer.sigma.grad.dtype == layer.values.grad.dtype == torch.float32


def test_the_state_dict_holds_no_basis():
    names = set(make_layers()[1][0].state_dict())
    assert names == {"sigma", "values", "base_layer.weight", "base_layer.bias"}


def test_a_layer_without_bias():
    torch.manual_seed(0)
    plain = nn.Linear(8, 6, bias=False)
    factors = joint_decomposition([plain.weight])
    basis = FrodBasis(factors.V.T.float(), random_pattern(8, 0.2, seed=0))
    for way in WAYS:
        layer = FrodLinear(plain, factors.U[0], factors.sigma[0], basis, way)
        torch.testing.assert_close(layer(draw(5, 8)), plain(draw(5, 8)), rtol=1e-5, atol=1e-5)


def test_update_norms_equal_their_definition():
    layer = make_layers()[1][0]
    assert layer.update_norms() == (0.0, 0.0, 0.0)
    move(layer)
    S = layer.basis.pattern.dense(layer.values.detach())
    off = layer.U @ S @ layer.basis.Vt
    on = layer.U @ torch.diag(layer.delta().detach()) @ layer.basis.Vt
    expected = off.norm(), on.norm(), (off * on).sum() / (off.norm() * on.norm())
    assert layer.update_norms() == pytest.approx([v.item() for v in expected], rel=1e-4, abs=1e-6)
