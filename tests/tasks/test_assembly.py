"""Rows of several tasks become one task's data: limits, hold-out, counts and what was cut."""

import pytest
from datasets import ClassLabel, Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.assembly import assemble
from frod_bench.tasks.base import RowRequest


def rows(count, first=0):
    return Dataset.from_dict({"number": list(range(first, first + count)), "label": [n % 2 for n in range(count)]})


def encode(seen):
    def run(part, split, training):
        seen.append((split, training, len(part)))
        return part.add_column("cut", [number % 5 == 0 for number in part["number"]])

    return run


def assembled(request, train, evaluation, encode, reported="matched", **options):
    return assemble(
        request,
        "train",
        train,
        evaluation,
        reported,
        encode,
        label="label",
        num_labels=2,
        label_names=["no", "yes"],
        metric="accuracy",
        collate=dict,
        measure=lambda *_: {},
        provenance={"source": "made up"},
        **options,
    )


def test_limits_hold_for_all_training_rows_and_for_each_task_s_evaluation_rows():
    seen = []
    request = RowRequest(max_train=30, max_eval=4, holdout=True)
    evaluation = {"matched": [rows(10), rows(10, 100)], "other": [rows(3), rows(9, 100)]}
    data = assembled(request, [rows(40), rows(40, 100)], evaluation, encode(seen), lengths=(8, 6), wording="ours")
    held = len(data.holdout)
    assert seen == [("train", True, 30 - held), ("matched", False, 8), ("other", False, 7), ("train", False, held)]
    assert list(data.samples.items()) == [("train", 30 - held), ("eval", 8), ("other", 7), ("holdout", held)]
    assert not set(data.train["number"]) & set(data.holdout["number"])
    assert all("cut" not in part.column_names for part in (data.train, data.holdout, *data.evaluation.values()))
    # rows are named by their number in the split, counted through the tasks
    names = [row if row < 40 else row + 60 for row in data.row_ids["holdout"]]
    assert names == data.holdout["number"] and max(data.row_ids["matched"]) >= 10
    assert list(data.provenance) == ["source", "cut", "wording"]
    assert "texts cut to 8 tokens: train" in data.provenance["cut"]
    assert "texts cut to 6 tokens: matched" in data.provenance["cut"]


def test_training_and_evaluating_on_one_split_limits_each_by_its_own():
    request = RowRequest(max_train=7, max_eval=3)
    data = assembled(request, [rows(10)], {"train": [rows(10)]}, lambda part, split, training: part, "train")
    assert data.samples == {"train": 7, "eval": 3}
    assert data.holdout is None and data.provenance == {"source": "made up"}


def same(part, split, training):
    return part


def test_a_hold_out_of_so_many_rows_is_the_same_at_every_number_of_training_rows():
    data = [
        assembled(RowRequest(max_train=n, holdout=12), [rows(60)], {"matched": [rows(5)]}, same) for n in (5, 20, None)
    ]
    assert [len(each.train) for each in data] == [5, 20, 48]
    held = {tuple(each.holdout["number"]) for each in data}
    assert len(held) == 1 and sum(n % 2 for (found,) in [held] for n in found) == 6
    assert not any(set(each.train["number"]) & set(each.holdout["number"]) for each in data)
    assert set(data[0].train["number"]) < set(data[1].train["number"]) < set(data[2].train["number"])


def test_without_evaluation_rows_there_is_still_a_reported_split():
    data = assembled(RowRequest(holdout=0.2, evaluation=False), [rows(10)], {}, same)
    assert data.evaluation == {} and data.reported == "matched"
    assert data.samples == {"train": 8, "eval": 0, "holdout": 2}


def test_training_rows_are_moved_to_an_evaluation_split_that_has_too_few():
    request = RowRequest(max_train=20, holdout=10, more_eval=0.25, max_eval=3)
    data = assembled(request, [rows(60)], {"matched": [rows(5)], "other": [rows(4)]}, same)
    assert data.samples == {"train": 20, "eval": 3 + 15, "other": 3, "holdout": 10}
    moved = data.evaluation["matched"]["number"][3:]
    assert data.row_ids["matched"][3:] == [5 + number for number in moved]
    assert not set(moved) & {*data.train["number"], *data.holdout["number"]}
    assert data.provenance["note"] == "15 training rows moved to the evaluation split matched"


def test_splits_that_number_their_classes_differently_are_not_mixed():
    other = rows(5).cast_column("label", ClassLabel(names=["yes", "no"]))
    with pytest.raises(RequestError, match=r"data\.more_eval is not accepted"):
        assembled(RowRequest(more_eval=3), [rows(60)], {"matched": [other]}, same)
