"""Finding target layers and heads, refusing what cannot be adapted, and replacing modules."""

import pytest
import torch
from torch import nn
from transformers import BloomConfig, BloomModel

from frod_bench.errors import RequestError
from frod_bench.methods.support.injection import find_head, find_targets, replace_module, train_only_head


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.subquery, self.norm = nn.Linear(3, 3), nn.Linear(3, 3), nn.LayerNorm(3)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])
        self.head = nn.Sequential(nn.Linear(3, 3), nn.ModuleDict({"head": nn.Linear(3, 2), "query": nn.Linear(3, 2)}))


def test_targets_come_in_order_and_leave_the_head_out():
    assert [name for name, _ in find_targets(Model(), ["query"], ["head"])] == ["layers.0.query", "layers.1.query"]
    assert [name for name, _ in find_targets(Model(), ["query"], [])][-1] == "head.1.query"


def test_the_head_is_the_outermost_module_of_its_name():
    assert [name for name, _ in find_head(Model(), ["head"])] == ["head"]


def test_only_the_head_trains():
    model = Model()
    parameters = train_only_head(model, ["head"])
    assert {id(p) for p in parameters} == {id(p) for p in model.head.parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in parameters}


def test_a_module_is_replaced_at_any_depth():
    model, new = Model(), nn.Identity()
    replace_module(model, "layers.1.query", new)
    replace_module(model, "head", new)
    assert model.layers[1].query is new and model.head is new


@pytest.mark.parametrize(
    ("targets", "head", "words"),
    [
        (["querry"], [], r"'querry' \(targets\).*query"),
        (["query", "key"], [], r"'key' \(targets\)"),
        (["query"], ["classifier"], r"'classifier' \(head\)"),
        (["norm"], [], "LayerNorm"),
        ([], [], "targets is empty"),
        (["head.0"], ["head"], r"'head\.0' \(targets\) lies in the head"),
    ],
)
def test_what_is_not_there_is_named(targets, head, words):
    with pytest.raises(RequestError, match=words):
        find_targets(Model(), targets, head)


def test_a_target_that_shares_its_weight_is_refused():
    model = Model()
    model.layers[1].query.weight = model.head[0].weight
    with pytest.raises(RequestError, match=r"layers\.1\.query has the same weight as head\.0"):
        find_targets(model, ["query"], ["head"])
    assert len(find_targets(model, ["subquery"], ["head"])) == 2
    model.layers[1].query.weight = nn.Parameter(model.head[0].weight.clone())
    assert len(find_targets(model, ["query"], ["head"])) == 2


def test_a_layer_under_two_names_is_refused():
    model = Model()
    model.layers[1].query = model.layers[0].query
    with pytest.raises(RequestError, match=r"layers\.0\.query has the same weight as layers\.1\.query"):
        find_targets(model, ["query"], ["head"])


@pytest.mark.parametrize("target", ["out_proj", "linear2"])
def test_a_layer_that_is_read_and_not_called_is_refused(target):
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Linear(8, 2))
    with pytest.raises(RequestError, match=rf"{target} lies in a \w+, which reads the weight"):
        find_targets(model, [target], ["1"])


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.gate, self.down = (nn.Linear(3, 3) for _ in range(3))
        nn.init.normal_(self.up.weight, std=0.1)
        self.up.weight.data.mul_(2.0)

    def forward(self, x):
        if isinstance(self.up.weight, torch.Tensor) and x.dtype != self.up.weight.dtype:
            x = x.to(self.up.weight.dtype)
        return self.down(nn.functional.linear(self.up(x), self.gate.weight))


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()

    def forward(self, x):
        return self.inner(x) @ self.inner.down.weight.T


def test_a_layer_whose_values_a_model_takes_is_refused():
    assert len(find_targets(Outer(), ["up"], [])) == 1  # its kind only is asked for
    for target, reader in (("gate", "Inner"), ("down", "Outer")):
        with pytest.raises(RequestError, match=f"{target} lies in a {reader}, which reads the weight"):
            find_targets(Outer(), [target], [])


@pytest.mark.parametrize("exact", [False, True])
def test_values_read_in_another_mode_are_no_reason(exact):
    config = BloomConfig(vocab_size=9, hidden_size=4, n_layer=1, n_head=2, slow_but_exact=exact, pretraining_tp=2)
    model = BloomModel(config)
    if exact:
        with pytest.raises(RequestError, match="BloomMLP, which reads the weight"):
            find_targets(model, ["dense_4h_to_h"], [])
    else:
        assert len(find_targets(model, ["dense_4h_to_h"], [])) == 1


def test_a_quantised_weight_is_refused_unless_asked_for():
    model = Model()
    packed = nn.Parameter(torch.zeros(3, 3, dtype=torch.uint8), requires_grad=False)
    model.layers[1].query.weight = packed
    with pytest.raises(RequestError, match=r"layers\.1\.query is quantised"):
        find_targets(model, ["query"], ["head"])
    assert len(find_targets(model, ["query"], ["head"], quantised=True)) == 2


class Scaled(nn.Linear):
    def forward(self, x):
        return 3 * super().forward(x)


def test_a_layer_that_computes_something_else_is_refused():
    model = Model()
    model.layers[1].query = Scaled(3, 3)
    with pytest.raises(RequestError, match=r"layers\.1\.query is a Scaled, which does not compute as nn\.Linear"):
        find_targets(model, ["query"], ["head"])


@pytest.mark.parametrize("normalise", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_weight_that_is_computed_is_refused(normalise):
    model = Model()
    normalise(model.layers[1].query)
    with pytest.raises(RequestError, match=r"layers\.1\.query is computed from others"):
        find_targets(model, ["query"], ["head"])


def test_a_parameter_that_two_modules_of_the_head_hold_trains_once():
    model = Model()
    model.layers[0].query.weight = model.layers[1].query.weight
    assert len(train_only_head(model, ["layers.0.query", "layers.1.query"])) == 3
