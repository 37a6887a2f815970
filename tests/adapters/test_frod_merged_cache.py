"""The cached merged weight of a FRoD layer: when it is formed, how long it lives, and that it is never stale."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.diag_sparse import random_pattern


def make_layer(m=8, n=8, way=None):
    """Return a layer a step away from its start."""
    torch.manual_seed(0)
    plain = nn.Linear(n, m).requires_grad_(False)
    factors = joint_decomposition([plain.weight])
    basis = FrodBasis(RightBasis(factors.V.T.float()), random_pattern(n, 0.2, seed=0))
    layer = FrodLinear(plain, factors.U[0], factors.sigma[0], basis, way)
    move(layer)
    return layer


def move(layer):
    with torch.no_grad():
        layer.values += 0.1 * torch.randn(layer.values.shape, generator=torch.Generator().manual_seed(1))
        layer.sigma *= 1.1


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("change", ["fused", "foreach", "load", "assign", "data", "base", "half"])
def test_the_merged_cache_follows_every_change_in_evaluation(change):
    layer = make_layer().eval()
    x = draw(5, 8)
    with torch.no_grad():
        before = layer(x)
    if change in ("fused", "foreach"):
        layer(x).square().sum().backward()
        with torch.no_grad():
            layer(x)  # keeps W' again before the step
        torch.optim.AdamW([layer.values, layer.sigma], lr=0.1, **{change: True}).step()
    elif change == "load":
        state = {name: value + 0.1 for name, value in layer.state_dict().items() if name in ("sigma", "values")}
        layer.load_state_dict(state, strict=False)
    elif change == "assign":
        layer.sigma.data = layer.sigma.data + 0.1
    elif change == "data":
        layer.values.data.add_(0.1)  # as an average of weights is kept
    elif change == "base":
        layer.base_layer.weight.mul_(2)
    else:
        layer.to(torch.bfloat16)
        x = x.bfloat16()
    with torch.no_grad():
        after = layer(x)
    assert change == "half" or (after - before).abs().max() > 1e-2
    assert torch.equal(copy.deepcopy(layer).train().eval()(x), after)


def test_the_merged_weight_is_kept_in_evaluation_and_dropped_in_training():
    layer = make_layer().eval()
    with torch.no_grad():
        layer(draw(5, 8))
        kept = layer.formed.held.result
        layer(draw(5, 8))
    assert layer.formed.held.result is kept and torch.equal(kept, layer.merged_weight())
    assert layer.train().formed.held is None
    layer.eval()(draw(5, 8))
    assert layer.formed.held is None  # with gradients, as an optimizer step may follow


def test_inference_mode_leaves_nothing_behind_that_cannot_be_differentiated():
    layer = make_layer().eval()
    x = draw(5, 8)
    with torch.inference_mode():
        expected = layer(x).clone()
    y = layer(x)
    y.sum().backward()
    assert torch.equal(y.detach(), expected) and layer.sigma.grad is not None


@pytest.mark.parametrize("name", ["values", "base_layer.weight"])
def test_what_is_given_for_one_call_is_for_that_call(name):
    layer, x = make_layer().eval(), draw(5, 8)
    with torch.no_grad():
        before = layer(x)
        given = functional_call(layer, {name: torch.ones_like(layer.get_parameter(name))}, (x,))
        assert not torch.allclose(given, before) and torch.equal(layer(x), before)


def test_inference_mode_and_gradients_while_nothing_may_change():
    layer = make_layer().eval()
    layer.cache_merged_weight(2)
    with torch.inference_mode():
        layer(draw(5, 8))
    layer(draw(5, 8)).sum().backward()
    assert layer.sigma.grad is not None


def test_a_pickle_holds_no_merged_weight():
    layer = make_layer().eval()
    with torch.no_grad():
        layer(draw(5, 8))
    assert layer.formed.held is not None and copy.deepcopy(layer).formed.held is None


@pytest.mark.parametrize(("m", "n"), [(6, 10), (8, 8), (12, 8)])
def test_recomputing_the_weight_changes_no_gradient_and_keeps_no_weight(m, n):
    results, held = [], []
    for recompute in (False, True):
        layer = make_layer(m, n, way="merged")
        layer.recompute = recompute
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t) or t, lambda t: t):
            x = draw(5, n).requires_grad_()
            y = layer(x)
        held.append(sum(t.shape == (m, n) and t is not layer.weight and t is not layer.U for t in kept))
        y.square().sum().backward()
        results.append((y, x.grad, layer.values.grad, layer.sigma.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert held[1] < held[0]


def test_the_merged_weight_is_formed_once_while_nothing_may_change(monkeypatch):
    calls = []
    compute = FrodLinear.merged_weight
    monkeypatch.setattr(FrodLinear, "merged_weight", lambda self: calls.append(1) or compute(self))
    layer = make_layer(way="merged")
    expected = layer(draw(5, 8))
    layer.cache_merged_weight(3)
    for _ in range(3):
        y = layer(draw(5, 8))
        assert torch.equal(y, expected)
        y.sum().backward()
    assert len(calls) == 1
    layer.cache_merged_weight(0)
    move(layer)
    assert not torch.equal(layer(draw(5, 8)), expected)


def test_another_thread_may_drop_the_merged_cache_at_any_moment(monkeypatch):
    layer, x = make_layer().eval(), draw(5, 8)
    compare = torch.equal

    def interrupted(*tensors):
        layer.train(False)  # what another thread does meanwhile
        return compare(*tensors)

    with torch.no_grad():
        expected = layer(x)
        monkeypatch.setattr(torch, "equal", interrupted)
        assert compare(layer(x), expected)


def test_evaluation_from_several_threads(in_four_threads):
    layer = make_layer().eval()
    inputs = [draw(5, 8) + i for i in range(4)]
    expected = [layer(x).detach() for x in inputs]

    def evaluate(i):
        for repeat in range(300):
            with torch.set_grad_enabled((repeat + i) % 5 == 0):  # with gradients W' is dropped
                torch.testing.assert_close(layer(inputs[i]).detach(), expected[i], rtol=1e-5, atol=1e-5)

    in_four_threads(evaluate)


@pytest.mark.parametrize("way", ["merged", "right_merged"])
@pytest.mark.parametrize(("m", "n"), [(6, 10), (8, 8), (12, 8)])
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_a_gradient_sampled_once_is_that_of_all_passes(m, n, way, precision):
    layer, inputs = make_layer(m, n, way=way), [draw(5, n) + i for i in range(3)]
    move(layer)

    def gradients(sum_gradients):
        layer.zero_grad()
        layer.cache_merged_weight(3, sum_gradients)
        found = []
        for x in inputs:
            x = x.clone().requires_grad_()
            with torch.autocast("cpu", precision, enabled=precision is not None):
                y = layer(x)
            y.float().square().sum().backward()
            found.append(x.grad)
        assert not sum_gradients or layer.values.grad is None
        layer.add_summed_gradient()
        layer.cache_merged_weight(0)
        return *found, layer.values.grad, layer.sigma.grad

    tolerance = 1e-5 if precision is None else 2e-2
    for once, each in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(once, each, rtol=tolerance, atol=tolerance * each.abs().max().item())


def test_nothing_is_summed_where_the_weight_is_formed_again_or_gradients_are_off():
    layer = make_layer(way="merged")
    layer.recompute = True
    layer.cache_merged_weight(2, sum_gradients=True)
    layer(draw(5, 8)).sum().backward()
    assert layer.values.grad is not None
    layer.recompute = False
    layer.cache_merged_weight(2, sum_gradients=True)
    layer.eval()(draw(5, 8)).sum().backward()
    layer.add_summed_gradient()  # evaluation samples its gradients in the pass
    assert layer.formed.summed_gradient() is None
