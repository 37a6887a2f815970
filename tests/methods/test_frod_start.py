"""A FRoD step starts at the base, in every way and whatever the scales of the weights in a group."""

import pytest
import torch
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach
from frod_bench.methods.frod import frod_layers
from frod_bench.ops.frod_linear import FACTORED_ERROR, WAYS

SCALES = [(1, 1), (1e-3, 1e3), (1e-10, 1), (1e-25, 1), (1e30, 1e30), (1e-30, 1e3), (1e37, 1e37), (1e-30, 1e-30), (0, 1)]
SHAPES = [(16, 16), (8, 16), (32, 16)]


def make_model(scales, m, n, dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.ModuleList(nn.ModuleDict({"target": nn.Linear(n, m, bias=False, dtype=dtype)}) for _ in scales)
    with torch.no_grad():
        for block, scale in zip(model, scales, strict=True):
            block["target"].weight.normal_().mul_(scale)
    return model


@pytest.mark.parametrize("scales", SCALES, ids=str)
@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("way", ["auto", *WAYS])
def test_training_starts_at_the_base_or_is_refused(way, m, n, scales):
    x = torch.randn(3, n, generator=torch.Generator().manual_seed(1))  # few rows, for which factored is the cheapest
    base, model = make_model(scales, m, n), make_model(scales, m, n)
    try:
        adapted = attach(model, "frod", targets=["target"], way=way, sparsity=0.1)
    except RequestError as error:
        assert way == "factored" and "Type way=auto" in str(error)
        assert [type(block["target"]) for block in model] == [nn.Linear, nn.Linear]
        return
    for (_, layer), block in zip(frod_layers(adapted.model), base, strict=True):
        expected, evaluated = block["target"](x), layer.eval()(x)
        assert torch.equal(evaluated, expected)
        error = (layer.train()(x).double() - expected.double()).norm()
        assert error <= FACTORED_ERROR * expected.double().norm()
    errors = list(adapted.facts["reconstruction_error"].values())
    assert all(0 <= error <= 2 for error in errors)


def test_the_factored_way_is_left_out_for_the_layer_that_needs_it(monkeypatch):
    adapted = attach(make_model((1e-3, 1e3), 12, 16), "frod", targets=["target"])
    small, large = (layer for _, layer in frod_layers(adapted.model))
    assert "factored" not in small.ways and "factored" in large.ways


def test_the_factored_way_can_be_forced_in_half_precision():
    attach(make_model((1, 1), 16, 16, torch.bfloat16), "frod", targets=["target"], way="factored")
    with pytest.raises(RequestError, match=r"way=factored is not accepted: .* of 0.target"):
        attach(make_model((1e-3, 1e3), 12, 16, torch.bfloat16), "frod", targets=["target"], way="factored")


@pytest.mark.parametrize("basis", ["category", "global", "peft"])
def test_weights_whose_products_overflow_are_refused(basis):
    model = make_model((1e38, 1e38), 16, 16)
    with pytest.raises(RequestError, match=r"The weight of 0.target |PEFT cannot decompose|cannot take these weights"):
        attach(model, "frod", targets=["target"], basis=basis)
