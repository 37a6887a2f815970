import pytest
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.selection import (
    carve_holdout,
    check_part,
    every_nth,
    rows_left,
    stratified_part,
    subset,
)


def test_every_nth_counts_within_each_label():
    taken, rest = every_nth(["a", "b", "a", "a", "b", "a", "c"], 3)
    assert taken == [0, 1, 5, 6]
    assert rest == [2, 3, 4]


@pytest.mark.parametrize(
    ("held_back", "left"), [(None, 100), ([0.1, 5000], 90), ([0.1, 4], 96), ([0.99, 5000], 1), ([0.0, 5], 100)]
)
def test_rows_left_by_a_share_and_its_limit(held_back, left):
    assert rows_left(100, held_back) == left
    assert rows_left(1, held_back) == 1


def test_subset_is_fixed_nested_and_in_file_order(toy_rows):
    small, large = (list(subset(toy_rows(100), n, "data.max_train")["idx"]) for n in (10, 30))
    assert len(small) == 10 and set(small) < set(large)
    assert large == sorted(large) != list(range(30))
    assert small == list(subset(toy_rows(100), 10, "data.max_train")["idx"])


@pytest.mark.parametrize("limit", [None, 5, 6])
def test_subset_keeps_all_rows(toy_rows, limit):
    assert list(subset(toy_rows(5), limit, "data.max_eval")["idx"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("limit", [0, -3, 1.5, True, "all"])
def test_subset_refuses(toy_rows, limit):
    with pytest.raises(RequestError, match=f"data.max_eval={limit}"):
        subset(toy_rows(5), limit, "data.max_eval")


def test_holdout_is_stratified_and_disjoint(toy_rows):
    rows = toy_rows(90, labels=[0] * 60 + [1] * 30)
    train, held = carve_holdout(rows, "label")
    assert list(held["label"]) == [0] * 6 + [1] * 3
    assert list(held["idx"]) == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    assert sorted([*train["idx"], *held["idx"]]) == list(range(90))


def test_holdout_of_too_few_rows(toy_rows):
    with pytest.raises(RequestError, match="2 training rows"):
        carve_holdout(toy_rows(2, labels=[0, 1]), "label")


@pytest.mark.parametrize("holdout", [1, 7, 30, 0.1, 0.5, 59])
def test_a_hold_out_of_a_number_or_a_share_is_stratified(holdout):
    rows = Dataset.from_dict({"label": [0, 0, 0, 1, 1, 2] * 10})
    kept, held = stratified_part(rows, "label", holdout, "data.holdout")
    count = holdout if holdout >= 1 else holdout * 60
    assert (len(kept), len(held)) == (60 - count, count)
    for label, share in ((0, 1 / 2), (1, 1 / 3), (2, 1 / 6)):
        assert abs(list(held["label"]).count(label) - share * count) < 1


@pytest.mark.parametrize("holdout", [60, 100, 0.999, 0.001])
def test_a_hold_out_that_leaves_nothing_is_refused(toy_rows, holdout):
    with pytest.raises(RequestError, match=f"data.holdout={holdout}"):
        stratified_part(toy_rows(60), "label", holdout, "data.holdout")


@pytest.mark.parametrize("holdout", [0, -1, 1.5, True, "ten", [3]])
def test_what_is_no_hold_out_is_refused(holdout):
    with pytest.raises(RequestError, match=r"data\.holdout="):
        check_part(holdout, "data.holdout")
