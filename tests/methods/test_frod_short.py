"""FRoD's short side, our variant: layers with fewer outputs than inputs are FRoD layers of W^T."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from frod_bench.adapters import base_weight
from frod_bench.adapters.frod import FrodLinear
from frod_bench.errors import RequestError
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.methods import attach, load_adapter, make_method
from frod_bench.methods.frod import frod_layers
from frod_bench.module_names import category
from frod_bench.ops.diag_sparse import PATTERNS, pattern_size
from frod_bench.ops.frod_linear import WAYS

WIDE, HIDDEN = 64, 32  # of the model in conftest: output.dense is [32, 64]


@pytest.fixture
def attached(make_model, targets, head):
    return lambda **options: attach(make_model(), "frod", targets=targets, head=head, **{"side": "short"} | options)


def short_layers(model):
    return {name: layer for name, layer in frod_layers(model) if layer.short}


def move(model, seed=1):
    """Take every layer a step away from the start, the same for every model of these shapes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, layer in frod_layers(model):
            layer.values += 0.1 * torch.randn(layer.values.shape, generator=generator)
            layer.sigma += 0.1 * torch.randn(layer.sigma.shape, generator=generator)


def definition(layer):
    """Return W' = V (diag(sigma) + S) U^T in float64, from the layer's own factors."""
    V, U = layer.basis.Vt.double().T, layer.U.double()
    return V @ layer.basis.pattern.dense(layer.values.double(), layer.sigma.double()) @ U.T


def test_only_layers_with_fewer_outputs_are_transposed(attached, targets):
    layers = dict(frod_layers(attached().model))
    assert set(short_layers(attached().model)) == {f"bert.encoder.layer.{i}.output.dense" for i in (0, 1)}
    for layer in layers.values():
        k = HIDDEN
        assert layer.basis.Vt.shape == (k, k) and layer.sigma.shape == (k,)
        assert layer.values.shape == (pattern_size(k, 0.02),)
        assert layer.U.shape == ((WIDE, k) if layer.short else (layer.out_features, k))


@pytest.mark.parametrize("basis", ["category", "global"])
def test_the_factors_are_those_of_the_transposed_weights(attached, basis):
    layers = short_layers(attached(basis=basis).model)
    expected = joint_decomposition([layer.weight.T for layer in layers.values()])
    for i, layer in enumerate(layers.values()):
        torch.testing.assert_close(layer.basis.Vt, expected.V.T.float())
        torch.testing.assert_close(layer.U, expected.U[i].float())
        assert (definition(layer) - layer.weight).norm() <= 1e-5 * layer.weight.norm()
    assert len({id(layer.basis) for layer in layers.values()}) == 1


@pytest.mark.parametrize("basis", ["category", "global"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_layers_on_the_input_side_stay_as_they_are(attached, pattern, basis):
    ours, papers = (
        dict(frod_layers(attached(side=side, pattern=pattern, basis=basis).model)) for side in ("short", "input")
    )
    assert not short_layers(attached(side="input").model)
    for name, layer in ours.items():
        if not layer.short:
            assert torch.equal(layer.basis.Vt, papers[name].basis.Vt) and torch.equal(layer.U, papers[name].U)
            assert torch.equal(layer.basis.pattern.rows, papers[name].basis.pattern.rows)


@pytest.mark.parametrize("way", [*WAYS, "auto"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_way_and_evaluation_compute_the_definition(way, pattern):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(14, 6), nn.Linear(6, 6), nn.Linear(6, 5))
    attach(model, targets=["0", "1", "2"], side="short", way=way, pattern=pattern, sparsity=0.3)
    move(model)
    for layer in (model[0], model[2]):
        assert layer.short
        x = torch.randn(2, 3, layer.in_features, requires_grad=True)
        wanted = nn.functional.linear(x.double(), definition(layer), layer.bias.double())
        for training in (True, False):
            found = layer.train(training)(x)
            torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_first_and_second_derivatives(way):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 4).double())
    attach(model, targets=["0"], side="short", way=way, sparsity=0.4)
    move(model)
    (layer,) = model

    def call(x, values, sigma):
        return torch.func.functional_call(layer, {"values": values, "sigma": sigma}, (x,))

    inputs = (torch.randn(3, 7).double().requires_grad_(), layer.values, layer.sigma)
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_start_is_the_base_model(make_model, targets, head, batch, dtype):
    base = make_model().to(dtype)
    wanted = base(input_ids=batch["input_ids"]).logits
    for way in ("auto", "residual", "merged"):
        model = attach(copy.deepcopy(base), targets=targets, head=head, side="short", way=way).model
        assert torch.equal(model.eval()(input_ids=batch["input_ids"]).logits, wanted)
        if way != "auto":
            assert torch.equal(model.train()(input_ids=batch["input_ids"]).logits, wanted)


def test_ways_take_the_same_steps(attached, train, logits):
    results = []
    for way in WAYS:
        adapted = attached(way=way, sparsity=0.1)
        train(adapted.model)
        results.append(logits(adapted.model))
    for one, other in pairwise(results):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert not torch.equal(results[0], logits(attached().model))


def test_it_is_frod_of_the_transposed_layer():
    """The paper's FRoD on a layer that holds W^T, with the pattern transposed, has the transposed update."""
    torch.manual_seed(0)
    short, tall = nn.Sequential(nn.Linear(14, 6, bias=False)), nn.Sequential(nn.Linear(6, 14, bias=False))
    tall[0].weight.data.copy_(short[0].weight.T)
    (ours,) = attach(short, targets=["0"], side="short", sparsity=0.3).model
    (theirs,) = attach(tall, targets=["0"], sparsity=0.3).model
    assert not theirs.short and torch.equal(ours.basis.Vt, theirs.basis.Vt) and torch.equal(ours.U, theirs.U)
    move(short)
    M = ours.basis.pattern.dense(ours.values, ours.delta())
    expected = theirs.U @ M.T @ theirs.basis.Vt
    torch.testing.assert_close((ours.merged_weight() - ours.weight).T, expected, rtol=1e-4, atol=1e-5)


def test_diagnostics_follow_the_definition(attached):
    adapted = attached(sparsity=0.1)
    move(adapted.model)
    found = adapted.diagnostics()
    for name, layer in short_layers(adapted.model).items():
        V, U = layer.basis.Vt.double().T, layer.U.double()
        S = layer.basis.pattern.dense(layer.values.double())
        off, on = V @ S @ U.T, (V * layer.delta().double()) @ U.T
        assert found["tan_alpha"]["per_layer"][name] == pytest.approx((off.norm() / on.norm()).item(), rel=1e-5)
        moved = V @ (S + layer.sigma.double().diag())
        cosine = nn.functional.cosine_similarity(moved, V, dim=0)
        wanted = torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).mean().item()
        assert found["turned_deg"]["per_layer"][name] == pytest.approx(wanted, rel=1e-4)


def test_it_saves_loads_merges_and_detaches(attached, make_model, tmp_path, train, logits):
    adapted = attached(sparsity=0.1)
    train(adapted.model)
    wanted = logits(adapted.model)
    adapted.save(tmp_path)
    loaded = load_adapter(make_model(), tmp_path)
    assert loaded.method.side == "short" and torch.equal(logits(loaded.model), wanted)
    merged = copy.deepcopy(loaded).merge()
    assert not frod_layers(merged)
    torch.testing.assert_close(logits(merged), wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(logits(loaded.detach()), logits(load_base(make_model, loaded.model)))


def load_base(make_model, trained):
    """Return the base model with the trained head."""
    model = make_model()
    model.classifier.load_state_dict(trained.classifier.state_dict())
    return model


def test_an_adapter_of_the_other_side_is_refused(attached, tmp_path):
    attached().save(tmp_path)
    with pytest.raises(RequestError, match="does not fit this model"):
        attached(side="input").load(tmp_path)


def test_what_is_refused(attached, tmp_path):
    with pytest.raises(RequestError, match=r"basis=peft: .* input side only. Type method.basis=category"):
        make_method("frod", side="short", basis="peft")
    with pytest.raises(RequestError, match=r"method\.side=shrt is not known\. Did you mean short"):
        make_method("frod", side="shrt")
    with pytest.raises(RequestError, match=r"side=short has no form in PEFT.*--format merged"):
        attached().save(tmp_path, format="peft")


def test_a_conv1d_is_decomposed_as_the_linear_layer_it_is():
    torch.manual_seed(0)
    linear, conv = nn.Linear(12, 5), Conv1D(5, 12)
    conv.weight.data.copy_(linear.weight.T)
    conv.bias.data.copy_(linear.bias)
    x, found = torch.randn(4, 12), []
    for base in (linear, conv):
        model = nn.Sequential(base)
        attach(model, targets=["0"], side="short", sparsity=0.3)
        move(model)
        assert model[0].short and base_weight(base).shape == (5, 12)
        found += [model.eval()(x), model.train()(x)]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-5, atol=1e-5)


def test_counts_follow_the_width(attached, targets):
    adapted = attached(sparsity=0.1)
    shapes = [tuple(layer.weight.shape) for _, layer in frod_layers(adapted.model)]
    count = adapted.count()
    assert adapted.method.trainable_parameters(shapes) == count["diag"] + count["sparse"]
    papers = make_method("frod", sparsity=0.1)
    assert adapted.method.trainable_parameters([(32, 64)]) == papers.trainable_parameters([(32, 32)])
    assert adapted.method.multiply_adds([(32, 64)], 128) < papers.multiply_adds([(32, 64)], 128)
    assert adapted.method.multiply_adds([(64, 32)], 128) == papers.multiply_adds([(64, 32)], 128)


def test_dropout_acts_on_the_update_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 5))
    attach(model, targets=["0"], side="short", dropout=0.5, sparsity=0.2)
    (layer,) = model
    x = torch.randn(200, 8)
    assert torch.equal(layer.train()(x), layer.base_layer(x))
    move(model)
    torch.manual_seed(1)
    y = layer(x)
    torch.manual_seed(1)
    dropped = nn.functional.dropout(x, 0.5)
    expected = layer.base_layer(x) + dropped @ (layer.merged_weight() - layer.weight).T
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)


def test_layers_of_one_kind_on_both_sides_have_bases_of_their_own(tmp_path):
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Linear(20, 30), nn.Linear(20, 10), nn.Linear(20, 10)])
    assert len({category(str(i)) for i in range(3)}) <= 3
    adapted = attach(model, targets=["0", "1", "2"], side="short")
    tall, first, second = model
    assert isinstance(tall, FrodLinear) and not tall.short and first.short and second.short
    assert tall.basis.Vt.shape == (20, 20) and first.basis.Vt.shape == (10, 10)
    adapted.save(tmp_path)
    adapted.load(tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_compiles_without_a_break(way):
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(14, 6))
    attach(model, targets=["0"], side="short", way=way, sparsity=0.3)
    move(model)
    x = torch.randn(5, 14)
    compiled = torch.compile(model.train(), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-5)


def test_the_cost_of_a_group_is_that_of_its_side():
    papers, ours = (make_method("frod", side=side).grouping for side in ("input", "short"))
    wide = [(768, 3072)] * 12
    assert papers.decomposition_cost(wide) > 6 * ours.decomposition_cost(wide)
    assert ours.decomposition_cost(wide) == papers.decomposition_cost([(3072, 768)] * 12)
