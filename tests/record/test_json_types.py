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


@pytest.mark.parametrize("wrong", [True, "a", None, 1e101, -1e101, 10**200, [1.0], {"b": 1}])
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_wrong_value_among_many_numbers_is_named(wrong, place):
    value = dict.fromkeys(["first", *map(str, range(50)), "last"], 0.5) | {"7": 3}
    assert type_problem(value, {str: float}, "it") is None
    problem = type_problem(value | {place: wrong}, {str: float}, "it")
    assert problem == f"it.{place} is {wrong!r:.80}, not a number"


@pytest.mark.parametrize("value", [{}, {"a": 0.5}, {"a": 1, "b": True}])
def test_whole_numbers_and_objects_are_told_from_numbers(value):
    assert (type_problem(value, {str: int}, "it") is None) == (value == {})
    assert (type_problem(value, {str: {str: float}}, "it") is None) == (value == {})


def test_a_part_of_an_object_may_lack_keys_but_not_hold_other_values():
    assert type_problem({"n": 1}, KIND, "it", complete=False) is None
    assert "it.n is 'a'" in type_problem({"n": "a"}, KIND, "it", complete=False)
