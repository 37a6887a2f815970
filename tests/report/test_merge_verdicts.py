"""Verdicts on merged models are those of the same predictions compared by hand."""

import numpy as np
import pytest

from frod_bench.record.find_multitask import find_multitask
from frod_bench.record.merge_record import EPOCH, PREDICTIONS, MergeRecord, part_name
from frod_bench.record.predictions import write_predictions
from frod_bench.report.merge_verdicts import verdict_tables
from frod_bench.report.paired.difference import Runs, difference

TASKS = ("vision/dtd", "vision/svhn")
ROWS = 400


@pytest.fixture
def store(tmp_path):
    """Return a function that writes a merge of a label and seed, right on a share of the rows, and returns it."""

    def make(label, seed, right, how="ties", rows=ROWS):
        folder = tmp_path / f"{label}-{seed}-{how}"
        folder.mkdir()
        results, parts = [], {}
        for place, task in enumerate(TASKS):
            generator = np.random.default_rng([seed, place, len(label)])
            labels = np.arange(rows) % 5
            predicted = np.where(generator.random(rows) < right, labels, (labels + 1) % 5)
            lines = [(row, int(labels[row]), int(predicted[row]), None, None) for row in range(rows)]
            parts[part_name(place, task)] = lines
            score = float((predicted == labels).mean())
            result = {
                "task": task,
                "method": "lora",
                "seed": seed,
                "identity": "a",
                "digest": "b",
                "metric": "accuracy",
            }
            results.append(result | {"single": 0.9, "merged": score, "share": score / 0.9, "split": "test"})
        write_predictions(folder / PREDICTIONS, {EPOCH: parts})
        record = MergeRecord(
            how=how, scale=1.0, density=None, seed=None, setting={"profile": "offline"}, results=results, label=label
        )
        (folder / "merge.json").write_text(record.to_json())
        return folder

    make.root = tmp_path
    return make


def runs(folders, place):
    from frod_bench.record.predictions import read_predictions

    part = part_name(place, TASKS[place])
    read = [read_predictions(folder / PREDICTIONS, EPOCH, part) for folder in folders]
    return Runs((0, 1, 2), read[0].labels, np.stack([each.predictions for each in read]))


def test_a_clear_difference_is_found_on_each_task_and_on_the_mean(store):
    frod = [store("FRoD per task", seed, 0.8) for seed in (0, 1, 2)]
    lora = [store("LoRA", seed, 0.5) for seed in (0, 1, 2)]
    (table,) = verdict_tables(find_multitask([store.root]).merges)
    assert table.title.startswith("Merged by ties, profile offline: paired verdicts")
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["the mean of 2 tasks", *TASKS]
    assert {row[1:4] for row in rows.values()} == {("FRoD per task", "LoRA", "better")}
    by_hand = [difference("accuracy", runs(frod, place), runs(lora, place)).value for place in (0, 1)]
    assert [rows[task][4] for task in TASKS] == pytest.approx(by_hand)
    assert rows["the mean of 2 tasks"][4] == pytest.approx(np.mean(by_hand))


def test_ways_of_merging_are_not_mixed(store):
    for how in ("ties", "average"):
        store("frod", 0, 0.8, how)
    store("lora", 0, 0.5, "average")
    (table,) = verdict_tables(find_multitask([store.root]).merges)
    assert table.title.startswith("Merged by average")


def test_merges_of_different_rows_are_not_compared(store):
    store("frod", 0, 0.8)
    store("lora", 0, 0.5, rows=ROWS - 1)
    assert verdict_tables(find_multitask([store.root]).merges) == []


def test_two_merges_of_one_label_and_seed_are_not_compared(store):
    store("frod", 0, 0.8)
    store("lora", 0, 0.5)
    merges = find_multitask([store.root]).merges
    assert verdict_tables(merges) and verdict_tables([*merges, merges[-1]]) == []
