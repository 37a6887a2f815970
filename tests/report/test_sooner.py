"""Who comes to full fine-tuning's level first, from made-up curves on held-out rows."""

from math import exp, log

import pytest

from frod_bench.record import StoredRun
from frod_bench.report.sooner import sooner
from frod_bench.report.summary import summarise


@pytest.fixture
def curve(searched):
    """Return a function that writes fair runs with these held-out scores by epoch, one run per line."""

    def write(method, curves, task="glue/rte", flops=1e9, rows=100):
        runs, _ = searched(method, {1: [0.5]}, task, seeds=range(len(curves)), seconds=10.0, flops=flops, rows=rows)
        return [
            StoredRun(run.path, run.record, [line | {"eval": {"holdout_accuracy": y}} for line, y in both], run.files)
            for run, scores in zip(runs, curves, strict=True)
            for both in [list(zip(run.metrics, scores, strict=True))]
        ]

    return write


FULL = [0.5, 0.7, 0.8]  # there at the third epoch, within a point
FIRST, LAST, NEVER = [0.79, 0.5, 0.5], [0.1, 0.1, 0.8], [0.1, 0.2, 0.3]


def table(*groups, margin=0.01):
    [section] = summarise([run for runs in groups for run in runs]).sections
    found = sooner(section, margin)
    names = [column.name for column in found.columns]
    return {(row[0], row[2], row[3]): dict(zip(names, row, strict=True)) for row in found.rows}


def test_first_last_and_neither_are_counted_by_seed(curve):
    frod = curve("frod", [FIRST, FIRST, NEVER, LAST, NEVER])
    lora = curve("lora", [LAST, NEVER, FIRST, LAST, NEVER])
    found = table(curve("full_ft", [FULL] * 5), frod, lora)
    row = found["glue/rte", "lora", "epochs"]
    assert (row["pairs"], row["first"], row["last"]) == (5, 2, 1)
    assert row["share first"] == pytest.approx(2 / 3)
    assert (row["low"], row["high"]) == pytest.approx((0.0943, 0.9916), abs=1e-4)  # Clopper and Pearson
    assert row["shows"] is None  # three pairs show nothing
    assert row["cost ratio"] == pytest.approx(exp((log(1 / 3) + log(1)) / 2))


def test_a_margin_moves_the_level(curve):
    near = [[0.76, 0.76, 0.76]] * 2
    groups = curve("full_ft", [FULL] * 2), curve("frod", near), curve("lora", [NEVER] * 2)
    assert table(*groups)["glue/rte", "lora", "epochs"]["first"] == 0
    assert table(*groups, margin=0.05)["glue/rte", "lora", "epochs"]["first"] == 2


def test_a_cheaper_epoch_can_make_up_for_more_of_them(curve):
    frod = curve("frod", [[0.5, 0.8, 0.8]] * 2, flops=1e9)
    found = table(curve("full_ft", [FULL] * 2), frod, curve("lora", [FIRST] * 2, flops=3e9))
    assert found["glue/rte", "lora", "epochs"]["last"] == 2
    assert found["glue/rte", "lora", "flops"]["first"] == 2
    assert found["glue/rte", "lora", "flops"]["cost ratio"] == pytest.approx(2 / 3)


def test_over_tasks_the_ratio_counts_each_task_once(curve):
    groups = [curve("full_ft", [FULL] * 3, task) for task in ("glue/rte", "glue/sst2")]
    groups += [curve("frod", [FIRST] * 3), curve("frod", [LAST] * 3, "glue/sst2")]
    row = table(*groups)["all tasks", "full_ft", "epochs"]
    assert (row["pairs"], row["first"], row["last"]) == (6, 3, 0)
    assert row["cost ratio"] == pytest.approx(exp(log(1 / 3) / 2))
    assert row["ratio low"] < row["cost ratio"] < row["ratio high"]


def test_every_number_of_training_rows_has_its_own_level(curve):
    few = [curve(method, [scores] * 2, rows=10) for method, scores in (("full_ft", NEVER), ("frod", NEVER))]
    found = table(*few, curve("full_ft", [FULL] * 2), curve("frod", [FIRST] * 2))
    own = {row["method"]: row for key, row in found.items() if key[2] == "epochs" and row["pairs"]}
    assert own["frod, max_train=10"]["first"] == own["frod, max_train=10"]["last"] == 0
    assert own["frod, max_train=100"]["first"] == 2


def test_runs_with_the_rates_of_a_recipe_are_not_compared(store):
    [section] = summarise([store("frod"), store("full_ft")]).sections
    assert sooner(section, 0.01).rows == []
