"""The FRoD layer as a module: it starts at the base, and all ways compute the same function."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from transformers.pytorch_utils import Conv1D

from frod_bench.adapters.cast_copies import CastCopies
from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.linalg.right_inverse import basis_inverse
from frod_bench.ops.diag_sparse import random_pattern
from frod_bench.ops.frod_linear import RIGHT_WAYS, WAYS

SHAPES = [(6, 10), (8, 8), (12, 8)]


def make_layers(m=8, n=8, dtype=torch.float32, count=2, way=None):
    """Return plain layers and the same ones adapted over one basis."""
    torch.manual_seed(0)
    plain = [nn.Linear(n, m).to(dtype).requires_grad_(False) for _ in range(count)]
    factors = joint_decomposition([layer.weight for layer in plain])
    right = RightBasis(factors.V.T.to(dtype), basis_inverse(factors.V.T).to(dtype))
    basis, error = FrodBasis(right, random_pattern(n, 0.2, seed=0)), 0.0 if m >= n else 1.0
    parts = zip(plain, factors.U, factors.sigma, strict=True)
    return plain, [FrodLinear(*part, basis, way, right_error=error) for part in parts]


def move(layer):
    """Take a step away from the start."""
    with torch.no_grad():
        layer.values += 0.1 * torch.randn(layer.values.shape, generator=torch.Generator().manual_seed(1))
        layer.sigma *= 1.1


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_the_start_is_the_base_layer_bit_for_bit(m, n, dtype):
    (plain, _), (layer, _) = make_layers(m, n, dtype)
    x = draw(2, 3, n).to(dtype)
    for way in (None, "residual", "merged", *(RIGHT_WAYS if m >= n else ())):
        layer.way = way
        for inputs in (x, x[0, 0], x[:0], x.transpose(0, 1), x.mT.contiguous().mT, x[None]):
            assert torch.equal(layer.train(way is not None)(inputs), plain(inputs))


def test_evaluation_starts_as_the_base_layer_under_autocast():
    (plain, _), (layer, _) = make_layers()
    x = draw(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer.eval()(x)
        assert y.dtype == torch.bfloat16 and torch.equal(y, plain(x))


@pytest.mark.parametrize(("way", "exact"), [*((way, True) for way in WAYS[1:]), ("factored", False)])
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


@pytest.mark.parametrize("way", WAYS)
def test_a_backward_pass_for_every_forward_pass_over_one_input(way):
    layer = make_layers(way=way)[1][0]
    move(layer)
    x = draw(5, 8).requires_grad_()
    first, second = layer(x), layer(x)
    first.sum().backward()
    once = x.grad.clone()
    second.sum().backward()
    assert torch.equal(x.grad, 2 * once)


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
    assert names == {"sigma", "values", "_extra_state", "base_layer.weight", "base_layer.bias"}


def test_a_state_dict_of_other_base_weights_is_refused():
    layer, other = make_layers()[1]
    layer.load_state_dict(copy.deepcopy(layer).state_dict())
    with pytest.raises(RuntimeError, match="load the base weights first, then attach"):
        layer.load_state_dict(other.state_dict())


def test_a_state_dict_of_another_pattern_is_refused():
    layer, _ = make_layers()[1]
    other = FrodLinear(
        layer.base_layer, layer.U, layer.sigma_initial, FrodBasis(layer.basis.right, random_pattern(8, 0.2, seed=1))
    )
    with pytest.raises(RuntimeError, match="another basis or pattern of S"):
        layer.load_state_dict(other.state_dict())
    assert torch.equal(copy.deepcopy(layer).half().get_extra_state(), layer.get_extra_state())


def test_a_layer_without_bias():
    torch.manual_seed(0)
    plain = nn.Linear(8, 6, bias=False)
    factors = joint_decomposition([plain.weight])
    basis = FrodBasis(RightBasis(factors.V.T.float()), random_pattern(8, 0.2, seed=0))
    for way in WAYS:
        layer = FrodLinear(plain, factors.U[0], factors.sigma[0], basis, way)
        torch.testing.assert_close(layer(draw(5, 8)), plain(draw(5, 8)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_autocast_casts_u_and_v_once(way, monkeypatch):
    layer = make_layers(12, 8, way=way)[1][0]
    move(layer)
    made, get = [], CastCopies.get
    monkeypatch.setattr(CastCopies, "get", lambda *a: made.append(get(*a)) or made[-1])
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(draw(5, 8).requires_grad_())
        y.float().sum().backward()
    assert len(made) >= 6 and len({t.data_ptr() for t in made}) == 2 and {t.dtype for t in made} == {torch.bfloat16}
    fresh = copy.deepcopy(layer)
    for one in (layer, fresh):
        one.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            one(draw(5, 8)).float().sum().backward()
    assert torch.equal(layer.values.grad, fresh.values.grad) and torch.equal(layer.sigma.grad, fresh.sigma.grad)
    wide = layer.double()
    assert torch.equal(wide(draw(5, 8).double()), copy.deepcopy(wide)(draw(5, 8).double()))


def test_copies_made_in_inference_mode_serve_training():
    layer = make_layers(12, 8, way="factored")[1][0]
    for mode in (torch.inference_mode(), torch.enable_grad()):
        with mode, torch.autocast("cpu", torch.bfloat16):
            y = layer(draw(5, 8))
    y.float().sum().backward()
    assert layer.values.grad.abs().sum() > 0


def test_conv1d_is_adapted_like_the_linear_layer_it_is():
    plain, (layer, _) = make_layers(12, 8)
    conv = Conv1D(12, 8).requires_grad_(False)
    with torch.no_grad():
        conv.weight.copy_(plain[0].weight.T)
        conv.bias.copy_(plain[0].bias)
    for way in WAYS:
        twin = FrodLinear(conv, layer.U, layer.sigma_initial, layer.basis, way)
        torch.testing.assert_close(twin(draw(5, 8)), conv(draw(5, 8)), rtol=1e-5, atol=1e-5)
        move(twin)
        torch.testing.assert_close(twin.eval()(draw(5, 8)), twin.train()(draw(5, 8)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", RIGHT_WAYS)
def test_a_layer_that_takes_right_ways_alone_stores_no_u(way):
    layer, _ = make_layers(12, 8, way=way)[1]
    stored, _ = make_layers(12, 8)[1]
    assert layer.Ut is None and layer.ways == (way,) and {b.shape for b in layer.buffers(recurse=False)} == {(8,)}
    torch.testing.assert_close(layer.U, stored.U, rtol=1e-4, atol=1e-5)
    for one in (layer, stored):
        move(one)
    assert torch.equal(layer.train()(draw(5, 8)), layer.cpu()(draw(5, 8)))
    for name, value in vars(stored.geometry()).items():
        torch.testing.assert_close(getattr(layer.geometry(), name), value, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.merged_weight(), stored.merged_weight(), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(layer.eval()(draw(5, 8)), stored.eval()(draw(5, 8)), rtol=1e-4, atol=1e-5)
    assert not layer.has_zero_gradient()


@pytest.mark.parametrize(("m", "n"), [(6, 10), (12, 8)])
def test_a_right_way_is_replaced_where_the_layer_has_none(m, n):
    plain, (layer, _) = make_layers(m, n)
    for right, other in RIGHT_WAYS.items():
        near = FrodLinear(plain[0], layer.U, layer.sigma_initial, layer.basis, right, right_error=1.0)
        assert near.ways == (other,) and near.Ut is not None
    assert set(layer.ways) == (set(WAYS) if m >= n else {"factored", "residual", "merged"})


def test_d_is_formed_once_for_several_passes(monkeypatch):
    layer = make_layers(12, 8, way="right_merged")[1][0]
    calls, form = [], FrodLinear.right_factor
    monkeypatch.setattr(FrodLinear, "right_factor", lambda layer: calls.append(1) or form(layer))
    layer.cache_merged_weight(2)
    for _ in range(2):
        layer(draw(5, 8)).sum().backward()
    once = layer.values.grad.clone()
    assert len(calls) == 1
    layer.cache_merged_weight(0)
    layer.zero_grad()
    for _ in range(2):
        layer(draw(5, 8)).sum().backward()
    assert torch.equal(layer.values.grad, once)


def test_dropout_acts_on_the_update_alone():
    plain, (layer, _) = make_layers()
    layer.dropout = 0.5
    x = draw(200, 8)
    assert torch.equal(layer(x), plain[0](x))  # the update is still zero
    move(layer)
    torch.manual_seed(1)
    y = layer(x)
    torch.manual_seed(1)
    dropped = nn.functional.dropout(x, 0.5)
    expected = plain[0](x) + dropped @ (layer.merged_weight() - plain[0].weight).T
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(layer.eval()(x), layer(x))


@pytest.mark.parametrize("way", WAYS)
def test_compiles_without_a_break_and_gives_the_same_gradients(way):
    torch._dynamo.reset()
    results = []
    for compiled in (False, True):
        layer = make_layers(way=way)[1][0]
        move(layer)
        x = draw(5, 8).requires_grad_()
        call = torch.compile(layer, fullgraph=True, backend="aot_eager") if compiled else layer
        y = call(x)
        y.square().sum().backward()
        results.append((y, x.grad, layer.values.grad, layer.sigma.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", [None, *WAYS])
def test_a_compiled_layer_takes_inputs_of_any_length(way):
    torch._dynamo.reset()
    count = CompileCounterWithBackend("aot_eager")
    layer = make_layers(12, 8, way=way)[1][0]
    move(layer)
    call = torch.compile(layer, fullgraph=True, backend=count)
    for length in (5, 7, 9, 11, 13, 40, 64):
        x = draw(2, length, 8).requires_grad_()
        torch.testing.assert_close(call(x), layer(x), rtol=1e-5, atol=1e-5)
    assert count.frame_count <= (2 if way else 3)  # for one length, for any, and where another way becomes the cheapest


@pytest.mark.parametrize("way", [None, *WAYS])
def test_a_step_dispatches_no_operator_of_ours(way):
    """They are for compilers and counters, and cost more than a small product."""
    layer = make_layers(12, 8, way=way)[1][0]
    with torch.profiler.profile() as profile:
        layer(draw(5, 8).requires_grad_()).sum().backward()
    names = {event.name for event in profile.events()}
    assert "aten::mm" in names and not {name for name in names if "frod_bench" in name}


@pytest.mark.gpu
@pytest.mark.parametrize("way", [None, *WAYS])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_a_layer_that_moves_to_a_gpu_computes_the_same(m, n, way):
    layer = make_layers(m, n, way=way)[1][0]
    move(layer)
    x = draw(5, n)
    wanted = layer(x)
    wanted.sum().backward()
    there = copy.deepcopy(layer).cuda()
    there.zero_grad()
    y = there(x.cuda())
    y.sum().backward()
    torch.testing.assert_close(y.cpu(), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.values.grad.cpu(), layer.values.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.sigma.grad.cpu(), layer.sigma.grad, rtol=1e-4, atol=1e-5)
    with torch.autocast("cuda", torch.bfloat16):
        half = there(x.cuda())
    assert half.dtype == torch.bfloat16 and torch.allclose(half.cpu().float(), wanted, rtol=3e-2, atol=3e-2)


@pytest.mark.gpu
def test_evaluation_on_a_gpu_starts_as_the_base_layer_bit_for_bit():
    (plain, _), (layer, _) = make_layers()
    layer, x = layer.cuda().eval(), draw(5, 8).cuda()  # the layer shares its base with `plain`
    with torch.no_grad():
        assert torch.equal(layer(x), plain(x))
