"""FRoD: which layers share what, its diagnostics, and its steps against PEFT's own."""

import copy
import subprocess
import sys

import pytest
import torch
from peft import FrodConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.errors import RequestError
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.linalg.right_inverse import basis_inverse, right_errors
from frod_bench.methods import attach, make_method
from frod_bench.methods.frod import frod_layers
from frod_bench.methods.support.injection import replace_module, train_only_head
from frod_bench.module_names import category
from frod_bench.ops.diag_sparse import UnstructuredPattern
from frod_bench.ops.frod_linear import WAYS


@pytest.fixture
def attached(make_model, targets, head):
    return lambda **options: attach(make_model(), "frod", targets=targets, head=head, **options)


def test_layers_of_one_kind_share_a_basis(attached):
    layers = dict(frod_layers(attached(basis="category").model))
    owners = {}
    for name, layer in layers.items():
        owners.setdefault(category(name), set()).add(id(layer.basis))
    assert len(layers) == 12 and len(owners) == 6
    assert all(len(ids) == 1 for ids in owners.values()) and len(set.union(*owners.values())) == 6


def test_the_global_basis_is_one_for_each_width(attached):
    layers = dict(frod_layers(attached(basis="global").model))
    assert len({(layer.in_features, layer.basis.Vt.data_ptr()) for layer in layers.values()}) == 2
    query, value = (layers[f"bert.encoder.layer.0.attention.self.{kind}"] for kind in ("query", "value"))
    assert query.basis.pattern.rows.tolist() != value.basis.pattern.rows.tolist()
    other = layers["bert.encoder.layer.1.attention.self.query"]
    assert query.basis is other.basis


def test_the_global_basis_averages_over_kinds_of_module(attached, make_model):
    adapted = attached(basis="global")
    layers = dict(frod_layers(adapted.model))
    wide = {name: layer for name, layer in layers.items() if layer.in_features == 64}
    narrow = {name: layer for name, layer in layers.items() if layer.in_features == 32}
    assert len(wide) == 2 and len(narrow) == 10
    kinds = sorted({category(name) for name in narrow})
    blocks = [kinds.index(category(name)) for name in narrow]
    expected = joint_decomposition([layer.weight for layer in narrow.values()], blocks)
    for i, layer in enumerate(narrow.values()):
        torch.testing.assert_close(layer.basis.Vt, expected.V.T.float())
        torch.testing.assert_close(layer.U, expected.U[i].float())


@pytest.mark.parametrize("basis", ["category", "global", "peft"])
def test_the_base_weights_are_reconstructed(basis, attached):
    adapted = attached(basis=basis)
    for _, layer in frod_layers(adapted.model):
        rebuilt = (layer.U * layer.sigma) @ layer.basis.Vt
        assert (rebuilt - layer.weight).norm() <= 1e-5 * layer.weight.norm()
    assert 0 < adapted.facts["max_reconstruction_error"] < 1e-5


def test_adapting_more_layers_leaves_the_pattern_of_the_others(make_model):
    few = dict(frod_layers(attach(make_model(), "frod", targets=["query"]).model))
    many = dict(frod_layers(attach(make_model(), "frod", targets=["query", "value"]).model))
    for name, layer in few.items():
        assert torch.equal(layer.basis.pattern.rows, many[name].basis.pattern.rows)


@pytest.mark.parametrize(("sparsity", "way"), [(0.0, "auto"), (1.0, "auto"), (0.02, "factored"), (0.02, "residual")])
def test_training_at_the_extremes(sparsity, way, attached, train, logits):
    adapted = attached(sparsity=sparsity, way=way)
    before = logits(adapted.model)
    train(adapted.model)
    assert torch.isfinite(logits(adapted.model)).all() and not torch.equal(logits(adapted.model), before)


def test_ways_take_the_same_steps(attached, train, logits):
    results = []
    for way in WAYS:
        adapted = attached(way=way, sparsity=0.1)
        train(adapted.model)
        results.append(logits(adapted.model))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("way", ["factored", "residual"])
def test_checkpointing_over_a_shared_projection_changes_no_gradient(way, attached, batch):
    gradients = []
    for checkpointing in (False, True):
        model = attached(basis="global", way=way, sparsity=0.1).model.train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(**batch).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_named(value, make_model, targets, head):
    model = make_model()
    model.bert.encoder.layer[1].attention.self.value.weight.data[3, 4] = value
    with pytest.raises(RequestError, match=r"layer\.1\.attention\.self\.value"):
        attach(model, "frod", targets=targets, head=head)
    assert not frod_layers(model)


def test_zero_and_duplicated_weights_train(make_model, targets, head, train, logits):
    model = make_model()
    first, second = model.bert.encoder.layer
    second.load_state_dict(first.state_dict())
    for layer in (first, second):
        nn.init.zeros_(layer.attention.self.key.weight)
    expected = logits(model)
    attach(model, "frod", targets=targets, head=head)
    assert torch.equal(logits(model), expected)
    train(model)
    assert torch.isfinite(logits(model)).all()


def test_tan_alpha_is_null_until_the_diagonal_moves(attached):
    adapted = attached()
    start = adapted.diagnostics()
    assert start["tan_alpha"] is None
    assert start["cosine"] == start["spectral_norm"] == start["stable_rank"]["mean"] == 0
    assert start["turned_deg"]["max"] < 1e-9
    layers = dict(frod_layers(adapted.model))
    with torch.no_grad():
        for layer in layers.values():
            layer.values += 0.1
    assert adapted.diagnostics()["tan_alpha"] is None
    name, moved = next(iter(layers.items()))
    with torch.no_grad():
        moved.sigma += 0.1
    tan_alpha = adapted.diagnostics()["tan_alpha"]
    off, on = moved.geometry().off, moved.geometry().on
    assert tan_alpha["mean"] == tan_alpha["min"] == tan_alpha["max"] == tan_alpha["per_layer"][name] == off / on
    assert sum(value is None for value in tan_alpha["per_layer"].values()) == len(layers) - 1


def test_an_adapter_on_another_pattern_is_refused(attached, tmp_path):
    attached(seed=0).save(tmp_path)
    with pytest.raises(RequestError, match="pattern"):
        attached(seed=1).load(tmp_path)


def test_the_bases_of_unnamed_layers_are_told_apart_by_width(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 20))
    attach(model, "frod", targets=["0", "1"]).save(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    sketches = sorted(tuple(saved[name].shape) for name in saved if name.endswith(".V"))
    assert sketches == [(20,), (30,)]


def copy_from_peft(theirs, model, way):
    """Return our model in the coordinates of PEFT's, with its pattern in its order of values."""
    bases, orders = {}, {}
    for name, layer in list(theirs.base_model.model.named_modules()):
        if not hasattr(layer, "frod_lambda_l"):
            continue
        key = id(layer.frod_V)
        if key not in bases:
            V, indices = layer.frod_V["default"], layer.frod_s_indices["default"]
            orders[key] = torch.argsort(indices[0] * V.shape[0] + indices[1])
            rows, cols = indices[:, orders[key]]
            right = RightBasis(V.T, basis_inverse(V.T).to(V.dtype))
            bases[key] = FrodBasis(right, UnstructuredPattern(V.shape[0], rows, cols))
        sigma, base = layer.frod_lambda_l["default"].detach(), model.get_submodule(name)
        U, right = layer.frod_U["default"], bases[key].right
        error = right_errors([base.weight], [U], [sigma], right.inverse).item()
        ours = FrodLinear(base, U, sigma, bases[key], way, right_error=error)
        replace_module(model, name, ours)
        yield layer, ours, orders[key]


@pytest.mark.parametrize("way", WAYS)
def test_steps_equal_pefts(way, make_model, targets, head, batch, logits):
    config = FrodConfig(target_modules=targets, modules_to_save=head, sparse_rate=0.1, progressbar=False)
    theirs, mine = get_peft_model(make_model(), config), copy.deepcopy(make_model())
    pairs = list(copy_from_peft(theirs, mine, way))
    assert len(pairs) == 12 and sum(ours.way == way for _, ours, _ in pairs) >= 2  # the layers with m > n at least
    train_only_head(mine, head)
    for _, ours, _ in pairs:
        ours.sigma.requires_grad_(True)
        ours.values.requires_grad_(True)
    models = (theirs, mine)
    embedded = [m.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_() for m in models]
    for model, inputs in zip(models, embedded, strict=True):
        model.train()
        model(inputs_embeds=inputs, labels=batch["labels"]).loss.backward()
    assert_near(embedded[1].grad, embedded[0].grad)
    for layer, ours, order in pairs:
        assert_near(ours.sigma.grad, layer.frod_lambda_l["default"].grad)
        assert_near(ours.values.grad, layer.frod_lambda_s_values["default"].grad[order])
    # an Adam step is the sign of a gradient that is near zero, so its epsilon is above the rounding here
    optimizers = [torch.optim.AdamW([p for p in m.parameters() if p.requires_grad], lr=1e-3, eps=1e-3) for m in models]
    for _ in range(20):
        losses = []
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        assert_near(losses[1], losses[0])
    for layer, ours, order in pairs:
        assert_near(ours.sigma, layer.frod_lambda_l["default"])
        assert_near(ours.delta(), layer.frod_lambda_l["default"] - ours.sigma_initial, 1e-3)
        assert_near(ours.values, layer.frod_lambda_s_values["default"][order], 1e-3)
    assert_near(logits(mine), logits(theirs))
    assert ours.values.abs().max() > 1e-3


def assert_near(ours, theirs, relative=1e-5):
    difference, size = (ours - theirs).detach().norm(), theirs.detach().norm()
    assert difference <= relative * size and size > 0, f"{difference / size:.1e}"


def test_attaching_does_not_wait_for_peft():
    script = "import sys, torch; from frod_bench import attach; model = torch.nn.Sequential(torch.nn.Linear(8, 8));"
    script += " attach(model, targets=['0']); print(sorted({'peft', 'bitsandbytes'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_basis_of_a_single_block_does_not_hang_on_rounding():
    torch.manual_seed(0)
    for layers, names in ((1, ["fc"]), (3, ["a.0.fc", "a.1.fc", "a.2.fc"])):
        weights = [torch.randn(20, 12) for _ in range(layers)]
        V = []
        for noise in (0.0, 1e-7):
            near = [w * (1 + noise * torch.randn_like(w)) for w in weights]
            V.append(joint_decomposition(near, make_method("frod", basis="global").grouping.blocks(names)).V)
        assert (V[0] - V[1]).norm() < 1e-4 * V[0].norm()


def test_a_ridge_of_the_size_of_rounding(make_model, targets, head, train, logits):
    model = make_model()
    weight = model.bert.encoder.layer[1].output.dense.weight
    weight.data[:, 0] = weight.data[:, 1]
    train(attach(model, "frod", targets=targets, head=head, pi=1e-10).model)
    assert torch.isfinite(logits(model)).all()
    with pytest.raises(RequestError, match=r"method\.pi=1e-12 .* 1e-10 or more"):
        make_method("frod", pi=1e-12)


def test_a_weight_cannot_be_summed_and_formed_again(attached):
    with pytest.raises(RequestError, match="accumulate_weight=true is not accepted with recompute=true"):
        attached(accumulate_weight=True, recompute=True)
