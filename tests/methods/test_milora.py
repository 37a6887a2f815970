"""MiLoRA against its definition in float64."""

import torch

from frod_bench.methods import attach


def minor_part(weight, rank):
    P, s, Qt = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    return (P[:, -rank:] * s[-rank:]) @ Qt[-rank:]


def test_the_factors_are_the_minor_part_and_are_taken_from_the_weight(make_model, targets):
    weights = {n: m.weight.detach() for n, m in make_model().named_modules() if n.endswith(tuple(targets))}
    model = make_model()
    attach(model, "milora", targets=targets, rank=3, alpha=6.0)
    for name, weight in weights.items():
        layer, part = model.get_submodule(name), minor_part(weight, 3)
        A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        assert layer.scaling["default"] == 2.0
        torch.testing.assert_close(2.0 * B @ A, part.float(), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(layer.base_layer.weight, (weight.double() - part).float(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(B.norm(dim=0), A.norm(dim=1), rtol=1e-4, atol=1e-6)  # shared evenly


def test_training_follows_the_float64_definition(make_model, targets, head, train, batch):
    """Three steps of SGD on a layer whose output is y = (W - s B0 A0 + s B A) x + b, written out."""
    model = make_model()
    name = "bert.encoder.layer.0.intermediate.dense"
    weight = model.get_submodule(name).weight.detach().double()
    adapted = attach(model, "milora", targets=[name], rank=3, alpha=3.0)
    A, B = adapted.roles["adapter"]
    mine = [p.detach().double().requires_grad_() for p in (A, B)]
    x = torch.randn(6, 32, generator=torch.Generator().manual_seed(1))
    residual = weight - minor_part(weight, 3)
    for _ in range(3):
        for loss, parameters in (
            (model.get_submodule(name)(x).square().sum(), [A, B]),
            (
                (x.double() @ (residual + mine[1] @ mine[0]).T + model.get_submodule(name).bias.double())
                .square()
                .sum(),
                mine,
            ),
        ):
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.data -= 1e-3 * gradient
    for got, expected in zip((A, B), mine, strict=True):
        torch.testing.assert_close(got.double(), expected, rtol=1e-3, atol=1e-4)
