import pytest

from frod_bench.record.json_types import type_problem

KIND = {"n": int, "x": float | None, "note?": str, "more?": {str: bool}}


@pytest.mark.parametrize(
    "value", [{"n": 1, "x": 2}, {"n": 0, "x": None, "note": None}, {"n": 1, "x": 0.5, "more": {"a": True}, "other": []}]
)
def test_what_fits(value):
    assert type_problem(value, KIND, "it") is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "it is [], not an object"),
        ({}, "it lacks n, x"),
        ({"n": 1.0, "x": 1}, "it.n is 1.0, not a whole number"),
        ({"n": True, "x": 1}, "it.n is True, not a whole number"),
        ({"n": 1, "x": 1e308}, "it.x is 1e+308, not a number or null"),
        ({"n": 1, "x": 1, "note": 3}, "it.note is 3, not a text"),
        ({"n": 1, "x": 1, "more": {"a": 1}}, "it.more.a is 1, not true or false"),
    ],
)
def test_what_does_not_is_named(value, problem):
    assert type_problem(value, KIND, "it") == problem


def test_a_part_of_an_object_may_lack_keys_but_not_hold_other_values():
    assert type_problem({"n": 1}, KIND, "it", complete=False) is None
    assert "it.n is 'a'" in type_problem({"n": "a"}, KIND, "it", complete=False)
