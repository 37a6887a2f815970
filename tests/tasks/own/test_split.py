import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.own.split import divide


def test_every_fifth_row_of_each_class_evaluates():
    labels = ["a", "b"] * 10 + ["rare"]
    training, evaluation = divide(labels, "a.csv")
    assert evaluation == [8, 9, 18, 19]
    assert sorted(training + evaluation) == list(range(21)) and 20 in training


def test_too_few_rows():
    with pytest.raises(RequestError, match=r"a\.csv has fewer than 5 rows of each class.*task\.eval="):
        divide(["a", "b"] * 4, "a.csv")
