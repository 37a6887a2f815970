from datetime import date

import pytest
from datasets import ClassLabel, Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.own.labels import class_numbers, classes_of, label_texts
from frod_bench.tasks.own.named_rows import NamedRows


def named(values, kind=None):
    features = None if kind is None else Features({"label": kind})
    rows = Dataset.from_dict({"label": values}, features=features)
    return NamedRows(rows, [("a.csv", 2), ("b.jsonl", len(values) - 2)])


def classes(values, kind=None):
    rows = named(values, kind)
    return classes_of(rows, "label", label_texts(rows, "label"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["pos", " neg ", "pos"], ["neg", "pos"]),
        (["10", "9", "-1", "10"], ["-1", "9", "10"]),
        ([10, 9, -1, 10], ["-1", "9", "10"]),
        ([5.0, 1.0, 3.0], ["1", "3", "5"]),
        ([True, False, True], ["false", "true"]),
        (["9" * 5000, "1", "1"], ["1", "9" * 5000]),
        (["1", "x", "10"], ["1", "10", "x"]),
        ([2**62, 1, 2], ["1", "2", str(2**62)]),
    ],
)
def test_classes_are_sorted(values, expected):
    assert classes(values) == classes(values[::-1]) == expected


def test_declared_classes_keep_their_order_and_only_those_that_occur():
    kind = ClassLabel(names=["small", "large", "none", "big"])
    assert classes([3, 0, 1], kind) == ["small", "large", "big"]


def test_numbers_of_other_rows_go_by_name():
    rows = named(["b", "a", "b"], ClassLabel(names=["b", "a"]))
    assert class_numbers(rows, "label", label_texts(rows, "label"), ["a", "b"]) == [1, 0, 1]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "b", None, ""], None, r"Row 0 of b\.jsonl has no label in column label \(2 rows have none\)"),
        (["a", " ", "b"], None, r"Row 1 of a\.csv \(row 0 follows the header\) has no label in column label\. "),
        ([0, 1, -1], ClassLabel(names=["no", "yes"]), r"Row 0 of b\.jsonl has no label"),
        ([1.0, float("nan"), 2.0], None, r"Row 1 of a\.csv .* has no label"),
        ([1.0, 2.0, 2.5], None, "has the label 2.5 .*regression"),
        (["1", "2.5", "3"], None, "regression"),
        (["a", "a", "a"], None, "one class only, 'a'"),
        ([["a"], ["b"], []], None, "lists or records"),
        ([{"x": 1}, {"x": 2}, {"x": 3}], None, "lists or records"),
        ([date(2024, 1, day) for day in (1, 2, 3)], None, "of type date32"),
        (list(range(2002)) * 2, None, "2,002 different values in 4,004 rows"),
        ([f"id {row}" for row in range(40)], None, "40 different values in 40 rows, too many"),
    ],
)
def test_columns_that_hold_no_classes(values, kind, message):
    with pytest.raises(RequestError, match=message):
        classes(values, kind)


def test_a_label_that_no_training_row_has():
    rows = named(["a", "b", "bb"])
    with pytest.raises(RequestError, match=r"Row 0 of b\.jsonl has the label 'bb' .*no training row has\. Did"):
        class_numbers(rows, "label", ["a", "b", "bb"], ["a", "b"])
