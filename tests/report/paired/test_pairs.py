"""Which runs are compared, and what is said of the others."""

import numpy as np
import pytest

from frod_bench.report.paired.pairs import pairs
from frod_bench.report.summary import summarise


@pytest.fixture
def right():
    """Return a function that draws right answers [runs, rows]."""
    rng = np.random.default_rng(0)
    return lambda accuracy, runs=3, rows=120: rng.random((runs, rows)) < accuracy


def section_of(*groups):
    [section] = summarise([run for runs in groups for run in runs]).sections
    return section


def named(found):
    return [[(pair.task, pair.method, pair.baseline) for pair in block] for block in found.blocks]


def test_frod_is_compared_with_every_baseline_by_task_and_over_tasks(predicted, right):
    tasks = ("glue/rte", "glue/sst2")
    section = section_of(*(predicted(m, right(0.7), task) for m in ("frod", "lora", "vera") for task in tasks))
    assert named(pairs(section)) == [
        *([(task, "frod", "lora"), (task, "frod", "vera")] for task in tasks),
        [("the mean of 2 tasks", "frod", "lora"), ("the mean of 2 tasks", "frod", "vera")],
    ]


def test_a_baseline_is_what_all_others_are_compared_with(predicted, right):
    section = section_of(*(predicted(m, right(0.7)) for m in ("frod", "lora", "vera")))
    assert named(pairs(section, "lora")) == [[("glue/rte", "frod", "lora"), ("glue/rte", "vera", "lora")]]


def test_the_difference_is_that_of_the_stored_predictions(predicted, right):
    answers = right(0.8), right(0.6)
    found = pairs(section_of(predicted("frod", answers[0]), predicted("lora", answers[1])))
    [[pair]] = found.blocks
    assert pair.estimate.value == pytest.approx(answers[0].mean() - answers[1].mean())
    assert (pair.seeds, pair.rows) == (3, 120)
    assert pair.discordance == pytest.approx((answers[0] != answers[1]).mean())


@pytest.mark.parametrize("metric", ["f1", "matthews_correlation"])
def test_metrics_of_classes_are_recomputed_from_the_rows(predicted, right, metric):
    section = section_of(*(predicted(m, right(a), metric=metric) for m, a in (("frod", 0.8), ("lora", 0.6))))
    [[pair]] = pairs(section).blocks
    assert pair.estimate.value == pytest.approx(section.rows[0].best.mean - section.rows[1].best.mean)
    assert pair.p > 0


def test_runs_without_predictions_are_in_no_pair(predicted, right, store):
    section = section_of(predicted("frod", right(0.7)), [store("lora", seed=seed) for seed in range(3)])
    assert pairs(section).blocks == []


def test_seeds_without_predictions_do_not_count(predicted, right, store):
    section = section_of(predicted("frod", right(0.7)), predicted("lora", right(0.6)), [store("lora", seed=7)])
    [[pair]] = pairs(section).blocks
    assert pair.seeds == 3


def test_other_rows_and_other_labels_are_not_compared(predicted, right):
    section = section_of(predicted("frod", right(0.7)), predicted("lora", right(0.7, rows=100)))
    found = pairs(section)
    assert found.blocks == []
    assert found.remarks == ["frod and lora are not compared on glue/rte: they were evaluated on different rows."]
    labels = np.zeros(120, dtype=int)
    assert pairs(section_of(predicted("frod", right(0.7)), predicted("lora", right(0.7), labels=labels))).blocks == []


def test_a_score_that_is_not_that_of_its_rows_is_left_out(predicted, right):
    broken = predicted("lora", right(0.6))
    for run in broken:
        run.record.best["value"] += 0.01
    found = pairs(section_of(predicted("frod", right(0.7)), broken))
    assert found.blocks == []
    assert "is not the accuracy of its rows" in found.remarks[0]


def test_damaged_predictions_are_left_out_with_the_reason(predicted, right):
    runs = predicted("lora", right(0.6), seeds=(0, 1, 2))
    runs[1].files.predictions.write_bytes(b"no parquet")
    found = pairs(section_of(predicted("frod", right(0.7)), runs))
    [[pair]] = found.blocks
    assert pair.seeds == 2
    assert "cannot be read as predictions" in found.remarks[0]


def test_a_task_with_single_runs_is_in_no_mean_with_tasks_of_several(predicted, right):
    section = section_of(
        *(predicted(m, right(0.7, runs), task) for m in ("frod", "lora") for task, runs in (("a", 1), ("b", 3)))
    )
    assert [len(block) for block in pairs(section).blocks] == [1, 1]


def test_no_more_pairs_are_compared_than_asked_for(predicted, right):
    section = section_of(*(predicted(m, right(0.7)) for m in ("frod", "lora", "vera", "dora")))
    found = pairs(section, most=2)
    assert [len(block) for block in found.blocks] == [2]
    assert "too many pairs" in found.remarks[0]


def test_every_variant_of_frod_is_a_method(predicted, right):
    section = section_of(
        predicted("frod", right(0.7)), predicted("frod", right(0.7), sparsity=0.1), predicted("lora", right(0.6))
    )
    assert [block[0].method for block in pairs(section).blocks] == ["frod, sparsity=0.02", "frod, sparsity=0.1"]


def test_methods_that_trained_on_other_numbers_of_rows_are_not_compared(predicted, right):
    groups = []
    for rows in (100, 300):
        for number, method in enumerate(("frod", "lora")):
            settings = {"method.name": method, "data.max_train": rows}
            changes = {"samples": {"train": rows, "eval": 120}, "identity": f"{method}{rows}"}
            groups.append(predicted(method, right(0.7 + 0.1 * number), settings=settings, **changes))
    found = pairs(section_of(*groups))
    assert named(found) == [[("glue/rte", f"frod, max_train={rows}", f"lora, max_train={rows}")] for rows in (100, 300)]
    assert found.remarks == ["Methods that trained on different numbers of rows are not compared."]
