"""Second derivatives of FRoD layers and `torch.func` transforms, in every way and mode: right, or refused."""

import pickle

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jvp, vmap

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.diag_sparse import PATTERNS
from frod_bench.ops.frod_linear import WAYS

# what a layer may be told that changes how it computes
SETTINGS = {way: {"way": way} for way in WAYS} | {
    "dropout": {"dropout": 0.5},
    "recompute": {"way": "merged", "recompute": True},
}
every_setting = pytest.mark.parametrize("setting", SETTINGS)
every_mode = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])


def make_model(setting="merged", pattern="random"):
    """Return two layers in float64 a step away from their start; a gradient passes through one of them to the other."""
    torch.manual_seed(0)
    plain = [nn.Linear(8, 8).double().requires_grad_(False) for _ in range(2)]
    factors = joint_decomposition([layer.weight for layer in plain])
    basis = FrodBasis(RightBasis(factors.V.T), PATTERNS[pattern](8, 0.2, seed=0))
    options = SETTINGS[setting]
    layers = [FrodLinear(p, factors.U[i], factors.sigma[i], basis, **options) for i, p in enumerate(plain)]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, dtype=torch.float64)
    return model


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def trainable(model):
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def loss(model, parameters, x):
    torch.manual_seed(3)  # one dropout mask
    return functional_call(model, parameters, (x,)).pow(3).mean()


def dense_loss(model, parameters, x):
    """Return the loss of the layers' definition, in operations of torch alone."""
    for i in (0, 2):
        layer, pattern = model[i], model[i].basis.pattern
        delta = parameters[f"{i}.sigma"] - layer.sigma_initial
        S = torch.zeros(8, 8, dtype=torch.float64).index_put((pattern.rows, pattern.cols), parameters[f"{i}.values"])
        W = layer.weight + layer.U @ (torch.diag(delta) + S) @ layer.basis.Vt
        x = nn.functional.linear(x, W, layer.bias)
        x = x.tanh() if i == 0 else x
    return x.pow(3).mean()


@every_mode
@every_setting
def test_the_gradient_of_a_gradient_penalty_is_that_of_differences(setting, training):
    model, x = make_model(setting).train(training), draw(5, 8)
    start = trainable(model)

    def penalty(values):
        parameters = start | {"0.values": values}
        inputs = x.clone().requires_grad_()
        return torch.autograd.grad(loss(model, parameters, inputs), inputs, create_graph=True)[0].square().sum()

    values = start["0.values"].clone().requires_grad_()
    (found,) = torch.autograd.grad(penalty(values), [values])
    steps = 1e-6 * torch.eye(len(values), dtype=torch.float64)
    wanted = torch.stack([(penalty(values + step) - penalty(values - step)).detach() for step in steps]) / 2e-6
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)


@every_mode
@every_setting
def test_a_hessian_vector_product_while_no_parameter_changes(setting, training):
    if setting == "dropout" and training:
        pytest.skip("another function than the dense one")
    model, x = make_model(setting).train(training), draw(5, 8)
    for layer in (model[0], model[2]):
        layer.cache_merged_weight(4)  # the kept W' is used, which is a constant to autograd
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(model(x).pow(3).mean(), parameters, create_graph=True)
    found = torch.autograd.grad(sum(g.sum() for g in gradients), parameters)
    start = {name: p.requires_grad_() for name, p in trainable(model).items()}
    gradients = torch.autograd.grad(dense_loss(model, start, x), list(start.values()), create_graph=True)
    wanted = torch.autograd.grad(sum(g.sum() for g in gradients), list(start.values()))
    torch.testing.assert_close(found, wanted)


@every_mode
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("setting", WAYS)
def test_the_transforms_of_torch_func(setting, pattern, training):
    model, x = make_model(setting, pattern).train(training), draw(5, 8)
    start = trainable(model)
    directions = {name: torch.ones_like(p) for name, p in start.items()}

    def one(parameters, row):
        return loss(model, parameters, row)

    def other(parameters, row):
        return dense_loss(model, parameters, row)

    each = vmap(grad(one), in_dims=(None, 0))(start, x)  # a gradient for every row
    by_hand = [grad(other)(start, row) for row in x]
    for name, gradient in each.items():
        torch.testing.assert_close(gradient, torch.stack([g[name] for g in by_hand]))
    torch.testing.assert_close(hessian(one)(start, x), hessian(other)(start, x))
    torch.testing.assert_close(
        jvp(lambda p: one(p, x), (start,), (directions,)), jvp(lambda p: other(p, x), (start,), (directions,))
    )


@every_mode
def test_an_ensemble_over_a_batch_of_parameters(training):
    model, x = make_model("factored").train(training), draw(5, 8)
    many = {name: torch.stack([p, 2 * p, 3 * p]) for name, p in trainable(model).items()}
    with torch.no_grad():
        model(x)  # W' is kept in evaluation, and is that of none of them
        found = vmap(lambda parameters: functional_call(model, parameters, (x,)))(many)
        wanted = [functional_call(model, {name: p[i] for name, p in many.items()}, (x,)) for i in range(3)]
    torch.testing.assert_close(found, torch.stack(wanted))


@every_mode
def test_a_tangent_of_the_parameters_is_never_dropped(training):
    model, x = make_model("merged").train(training), draw(5, 8)
    start = trainable(model)
    with torch.no_grad(), forward_ad.dual_level():
        model(x)  # W' is kept in evaluation
        dual = {name: forward_ad.make_dual(p, torch.ones_like(p)) for name, p in start.items()}
        tangent = forward_ad.unpack_dual(functional_call(model, dual, (x,))).tangent
    wanted = jvp(
        lambda p: functional_call(model, p, (x,)), (start,), ({n: torch.ones_like(p) for n, p in start.items()},)
    )
    torch.testing.assert_close(tangent, wanted[1])


def test_evaluation_without_gradients_is_a_plain_linear_layer():
    model, x = make_model().eval(), draw(5, 8)
    with torch.no_grad():
        expected = model(x)
        seen = []

        class Watch(torch.utils._python_dispatch.TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                seen.append(str(function))
                return function(*args, **(kwargs or {}))

        with Watch():
            model(x)
        assert seen.count("aten.addmm.default") == 2 and not [
            name for name in seen if "mm." in name and "addmm" not in name
        ]
        torch.testing.assert_close(vmap(model)(x), expected)
        torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="aot_eager")(x), expected)
        torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), expected)


def test_a_layer_can_be_pickled():
    model, x = make_model().eval(), draw(5, 8)
    with torch.no_grad():
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))
