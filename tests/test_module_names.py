"""Names of modules: matching by suffix as PEFT does, lying inside a module, and the kind of a module."""

import pytest

from frod_bench.module_names import category, in_matching_module, is_inside, matches


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("layers.0.query", "query", True),
        ("query", "query", True),
        ("layers.0.subquery", "query", False),
        ("layers.0.query", "0.query", True),
        ("layers.10.query", "0.query", False),
        ("query.base", "query", False),
    ],
)
def test_matches(name, suffix, expected):
    assert matches(name, [suffix]) is expected


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("classifier", "classifier", True),
        ("classifier.dense.weight", "classifier", True),
        ("model.classifier.bias", "classifier", True),
        ("pre_classifier.weight", "classifier", False),
        ("bert.pooler.dense.weight", "classifier", False),
        ("encoder.layer.0.output.dense.weight", "output.dense", True),
        ("encoder.layer.0.output.dense2.weight", "output.dense", False),
    ],
)
def test_in_matching_module(name, suffix, expected):
    assert in_matching_module(name, [suffix]) is expected


def test_is_inside():
    assert is_inside("head", ["head"]) and is_inside("head.0.weight", ["body", "head"])
    assert not is_inside("header", ["head"]) and not is_inside("model.head", ["head"]) and not is_inside("head", [])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bert.encoder.layer.11.output.dense", "bert.encoder.layer.output.dense"),
        ("bert.encoder.layer.0.attention.output.dense", "bert.encoder.layer.attention.output.dense"),
        ("layers.3.fc1", "layers.fc1"),
        ("classifier", "classifier"),
        ("0", ""),
    ],
)
def test_category(name, kind):
    assert category(name) == kind
