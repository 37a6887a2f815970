from collections import Counter

import pytest
from datasets import ClassLabel, Features, List, Value

from frod_bench.tasks.sources.generated import GeneratedSource

SCHEMA = Features(left=Value("string"), right=Value("string"), label=ClassLabel(names=["a", "b", "c"]))


def rows(split, **sizes):
    return GeneratedSource(**sizes).read("nyu-mll/glue", "mnli", split, SCHEMA)


def test_schema_sizes_and_balance():
    train, validation = rows("train"), rows("validation_matched")
    assert (len(train), len(validation), len(rows("train", train_rows=6))) == (64, 32, 6)
    assert train.features == SCHEMA
    assert sorted(Counter(train["label"]).values()) == [21, 21, 22]


def test_rows_are_the_same_every_time_and_differ_between_splits():
    assert rows("train").to_list() == rows("train").to_list()
    assert not {row["left"] for row in rows("train")} & {row["left"] for row in rows("validation_matched")}


@pytest.mark.parametrize("column", ["left", "right"])
def test_a_word_seen_in_training_tells_the_label_of_every_row(column):
    words = {label: [] for label in range(3)}
    for row in rows("train"):
        words[row["label"]].append(set(row[column].split()))
    cues = {label: set.intersection(*words[label]) for label in words}
    for row in rows("validation_matched"):
        assert [label for label in cues if cues[label] & set(row[column].split())] == [row["label"]]


def test_lists_and_records_are_made_as_the_schema_says():
    keys = ClassLabel(names=["A", "B", "C"])
    choices = {"text": List(Value("string"), length=3), "label": List(keys, length=3)}
    row = GeneratedSource().read("x", "y", "train", Features(stem=Value("string"), choices=choices, answer=keys))[1]
    assert row["choices"]["label"] == [0, 1, 2] and row["answer"] == 1
    assert len(set(row["choices"]["text"])) == 3 and all(row["choices"]["text"])
