import pytest

from frod_bench.runs.row_counts import found_in_rows, row_counts

SST2 = {"rows": {"train": 67349, "validation": 872}, "train_split": "train", "eval_splits": ["validation"]}
MNLI = {"rows": {"train": 9, "matched": 4, "mismatched": 5}, "train_split": "train", "eval_splits": ["matched"]}


@pytest.mark.parametrize(
    ("task", "source", "samples", "said"),
    [
        (SST2, "hub", {"train": 67349, "eval": 872}, "67,349 training rows, 872 evaluation rows"),
        (SST2, "packaged", {"train": 300, "eval": 175}, "300 of 67,349 training rows, 175 of 872 evaluation rows"),
        (
            SST2,
            "local",
            {"train": 270, "eval": 872, "holdout": 30},
            "270 of 67,349 training rows, 30 held out of training, 872 evaluation rows",
        ),
        (SST2, "local", {"train": 270, "eval": 0, "holdout": 3}, "270 of 67,349 training rows, 3 held out of training"),
        (
            MNLI,
            "hub",
            {"train": 9, "eval": 4, "mismatched": 2},
            "9 training rows, 4 evaluation rows, 2 of 5 mismatched",
        ),
        (SST2, "generated", {"train": 64, "eval": 32}, "64 training rows, 32 evaluation rows"),
        ({"rows": {}}, "own", {"train": 1400, "eval": 8}, "1,400 training rows, 8 evaluation rows"),
    ],
)
def test_rows_in_words(task, source, samples, said):
    assert row_counts(samples, {"task": task, "data": {"source": source}}) == said


def test_classes_found_in_rows_of_ones_own_and_notes_on_them():
    assert found_in_rows({"note": "a copy"}) == []
    assert found_in_rows({"classes": ["bad", "good"]}) == ["2 classes: bad, good"]
    lines = found_in_rows({"classes": [*map(str, range(23))], "note": "one thing; 2 of 9 rows repeat"})
    assert lines[0].endswith("18, 19 and 3 more") and lines[1:] == ["note: one thing", "note: 2 of 9 rows repeat"]
