"""Rows of several tasks become one task's data: limits, hold-out, counts and what was cut."""

from datasets import Dataset

from frod_bench.tasks.assembly import assemble
from frod_bench.tasks.base import RowRequest


def rows(count, first=0):
    return Dataset.from_dict({"number": list(range(first, first + count)), "label": [n % 2 for n in range(count)]})


def encode(seen):
    def run(part, split, training):
        seen.append((split, training, len(part)))
        return part.add_column("cut", [number % 5 == 0 for number in part["number"]])

    return run


def assembled(request, train, evaluation, encode, **options):
    return assemble(
        request,
        "train",
        train,
        evaluation,
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
    assert list(data.provenance) == ["source", "cut", "wording"]
    assert "texts cut to 8 tokens: train" in data.provenance["cut"]
    assert "texts cut to 6 tokens: matched" in data.provenance["cut"]


def test_training_and_evaluating_on_one_split_limits_each_by_its_own():
    request = RowRequest(max_train=7, max_eval=3)
    data = assembled(request, [rows(10)], {"train": [rows(10)]}, lambda part, split, training: part)
    assert data.samples == {"train": 7, "eval": 3}
    assert data.holdout is None and data.provenance == {"source": "made up"}
