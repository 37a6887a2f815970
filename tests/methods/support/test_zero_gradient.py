"""A target whose weight is zero trains, or is reported; checked on every adapter."""

import pytest
import torch
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, make_method, method_names

ADAPTERS = [name for name in method_names() if name != "full_ft"]
STILL = {"frod", "goat", "milora", "pissa"}  # they start from a part of the weight


def make_model(shape=(64, 64), zero=("0",)):
    torch.manual_seed(0)
    n, m = shape
    model = nn.Sequential(nn.Linear(n, m), nn.Linear(m, n), nn.Linear(n, 3))
    with torch.no_grad():
        for name in zero:
            model.get_submodule(name).weight.zero_()
    return model


def moved(method, targets, **options):
    """Train a few steps; return the facts of the start and the targets in which a parameter but the bias has moved."""
    model = make_model(**options)
    adapted = attach(model, method, targets=targets, head=["2"])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    x = torch.randn(16, options.get("shape", (64, 64))[0], generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        optimizer.zero_grad()
        model.train()(x).square().mean().backward()
        optimizer.step()
    names = {name for name, p in model.named_parameters() if not torch.equal(p, before[name]) and "bias" not in name}
    return adapted.facts, {name.split(".")[0] for name in names} - {"2"}


@pytest.mark.parametrize("zero", [("0",), ("0", "1")])
@pytest.mark.parametrize("shape", [(64, 64), (64, 96)])
@pytest.mark.parametrize("method", ADAPTERS)
def test_a_zero_layer_moves_or_is_named(method, shape, zero, capsys):
    try:
        facts, changed = moved(method, ["0", "1"], shape=shape, zero=zero)
    except RequestError as error:
        assert method == "dora" and "row of zeros" in str(error)
        return
    still = facts.get("without_gradient", [])
    assert set(still) | changed == {"0", "1"} and not set(still) & changed
    assert (set(still) == set(zero)) == (method in STILL)
    said = capsys.readouterr().err
    assert ("gets no gradient" in said) == bool(still)
    assert not still or (f"{method} starts from the weight of 0" in said and said.count("\n") == 1)


@pytest.mark.parametrize("method", ADAPTERS)
def test_nothing_is_said_of_other_weights(method, capsys):
    facts, changed = moved(method, ["0", "1"], zero=())
    assert changed == {"0", "1"} and "without_gradient" not in facts
    assert "gradient" not in capsys.readouterr().err


def test_a_zero_layer_that_frod_can_move():
    """With too few rows for a full basis a zero layer gets what the others leave over, and learns."""
    model = nn.ModuleList(nn.ModuleDict({"target": nn.Linear(16, 8)}) for _ in range(2))
    with torch.no_grad():
        model[0]["target"].weight.zero_()
    adapted = attach(model, "frod", targets=["target"], sparsity=0.2)
    layer = adapted.model[0]["target"].train()
    layer(torch.randn(4, 16)).square().sum().backward()
    assert ("without_gradient" in adapted.facts) == (not layer.sigma.grad.any() and not layer.values.grad.any())


def test_a_randomised_start_of_pissa():
    adapted = make_method("pissa", iterations=2).attach(make_model(), ["0"], ["2"], seed=0)
    assert adapted.facts["without_gradient"] == ["0"]
