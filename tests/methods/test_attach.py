"""`attach`: which names, options and models it accepts, checked on every method."""

import pytest
import torch
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, make_method, method_names

every_method = pytest.mark.parametrize("method", method_names())
every_adapter = pytest.mark.parametrize("method", [name for name in method_names() if name != "full_ft"])


@every_method
def test_attaching_leaves_the_random_state_alone(method, attached):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    attached(method, seed=9)
    assert torch.equal(torch.rand(1), expected)


@every_adapter
def test_a_name_in_the_head_that_ends_like_a_targets(method):
    head = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 3))
    adapted = attach(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), head), method, targets=["0"], head=["2"])
    assert [type(layer) for layer in adapted.model[2]] == [nn.Linear, nn.Linear]
    assert type(adapted.model[0]) is not nn.Linear


@every_adapter
def test_a_target_inside_the_head_is_trained_and_not_adapted(method, make_model, batch):
    model = make_model()
    model.classifier = nn.Sequential()
    model.classifier.add_module("dense", nn.Linear(32, 2))
    adapted = attach(model, method, targets=["dense"], head=["classifier"])
    assert type(model.classifier.dense) is nn.Linear
    assert type(model.bert.pooler.dense) is not nn.Linear
    assert [id(p) for p in adapted.roles["head"]] == [id(p) for p in model.classifier.parameters()]


@every_adapter
def test_without_a_head_only_the_adapter_trains(method, make_model, targets):
    adapted = attach(make_model(), method, targets=targets)
    assert adapted.count()["head"] == 0
    assert not any(p.requires_grad for p in adapted.model.classifier.parameters())


@every_adapter
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": ["qeury"]}, ["qeury", "query"]),
        ({"targets": []}, ["targets"]),
        ({"targets": ["LayerNorm"]}, ["LayerNorm", "nn.Linear"]),
        ({"head": ["clasifier"]}, ["clasifier", "classifier"]),
        ({"no_such_option": 1}, ["no_such_option"]),
    ],
)
def test_what_cannot_be_attached_is_named_and_changes_nothing(method, change, words, make_model, targets, head):
    model = make_model()
    with pytest.raises(RequestError) as raised:
        attach(model, method, **({"targets": targets, "head": head} | change))
    assert all(word in str(raised.value) for word in words)
    assert {type(m) for m in model.modules()} == {type(m) for m in make_model().modules()}
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": "query"}, r"targets='query'.*\['query'\]"),
        ({"head": "classifier"}, r"head='classifier'.*list"),
        ({"seed": -1}, r"seed=-1.*0 or more"),
        ({"seed": 0.5}, r"seed=0\.5"),
    ],
)
def test_arguments_of_another_kind_are_named(change, words, make_model, targets, head):
    with pytest.raises(RequestError, match=words):
        attach(make_model(), "frod", **({"targets": targets, "head": head} | change))


@every_adapter
def test_a_merged_or_detached_adapter_takes_no_part_any_more(method, attached, logits, tmp_path):
    adapted = attached(method)
    model = adapted.merge() if adapted.method.merges else adapted.detach()
    before = logits(model)
    for ask in (lambda: adapted.save(tmp_path), adapted.diagnostics, adapted.merge, adapted.detach):
        with pytest.raises(RequestError, match="merged or detached"):
            ask()
    assert not list(tmp_path.iterdir()) and torch.equal(logits(model), before)


def test_methods_are_found_by_their_files():
    paper = {"full_ft", "lora", "pissa", "milora", "goat", "vera", "randlora", "dora", "frod"}
    assert set(method_names()) >= paper | {"fura", "qfura", "qlora"}
    for name in method_names():
        assert make_method(name).name == name
    with pytest.raises(RequestError, match=r"'lorra'.*lora"):
        make_method("lorra")


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [
        ("frod", "sparsity", -0.1),
        ("frod", "sparsity", 1.5),
        ("frod", "sparsity", float("nan")),
        ("frod", "sparsity", "dense"),
        ("frod", "sparsity", None),
        ("frod", "sparsity", True),
        ("frod", "basis", "categroy"),
        ("frod", "basis", 3),
        ("frod", "pi", 0),
        ("frod", "pi", float("inf")),
        ("frod", "way", "fastest"),
        ("lora", "rank", 0),
        ("lora", "rank", 8.5),
        ("lora", "rank", "8"),
        ("lora", "alpha", 0),
        ("lora", "dropout", 1.0),
        ("lora", "head", "froze"),
        ("lora", "head", 3),
        ("full_ft", "head", "none"),
        ("pissa", "rank", 0),
        ("pissa", "iterations", -1),
        ("vera", "rank", 0),
        ("vera", "d_initial", 0),
        ("randlora", "bases", "spares"),
        ("randlora", "alpha", -1.0),
        ("goat", "rank", 12),
        ("goat", "experts", 0),
        ("goat", "top_k", 9),
        ("goat", "rho", 0),
        ("goat", "balance", -1.0),
        ("goat", "scaling", "theroy"),
        ("fura", "bias", 1),
    ],
)
def test_an_option_out_of_range_is_named(method, option, value):
    with pytest.raises(RequestError, match=f"method.{option}={value!r}".replace("'", "'?")):
        make_method(method, **{option: value})
    assert make_method("frod", sparsity=1, pi=1).sparsity == 1
