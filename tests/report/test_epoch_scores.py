"""Curves and convergence of runs with tuned rates are of the held-out rows, which alone are read after every epoch."""

import pytest

from frod_bench.record import StoredRun
from frod_bench.report.blocks import blocks
from frod_bench.report.convergence import convergence
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.html.data import page_data
from frod_bench.report.statistics_tables import section_tables
from frod_bench.report.summary import summarise


@pytest.fixture
def fair(searched):
    """Return a function that writes a fair run with held-out scores by epoch, and an evaluation score of 0.99."""

    def write(method, held_out):
        (run,), _ = searched(method, {1: [0.5]}, seeds=(0,), seconds=10.0)
        lines = [
            line | {"eval": {"holdout_accuracy": score} | ({"accuracy": 0.99} if line["epoch"] == 2 else {})}
            for line, score in zip(run.metrics, held_out, strict=True)
        ]
        return StoredRun(run.path, run.record, lines, run.files)

    return write


def test_curves_are_of_held_out_rows(fair, store):
    run, other = fair("lora", [0.5, 0.7, 0.6]), store()
    assert [epoch_score(run, line) for line in run.metrics] == [0.5, 0.7, 0.6]
    assert [epoch_score(other, line) for line in other.metrics] == [0.55, 0.62, 0.61]
    assert epoch_score(run, {"epoch": 1}) is None
    assert curve_label("f1", "fair") == "held-out f1 (%)" and curve_label("f1", "goat") == "f1 (%)"
    row = page_data({"one": blocks(summarise([run]).sections[0])[0]}, {"lora": 0})["blocks"][0]["tasks"][
        run.record.task
    ][0]
    assert [point[1] for point in row["curves"]["score"]] == [50, 70, 60]
    assert row["curve"] == "held-out accuracy (%)"


def test_convergence_is_judged_on_held_out_rows(fair):
    [section] = summarise([fair("full_ft", [0.5, 0.6, 0.8]), fair("frod", [0.4, 0.795, 0.6])]).sections
    found = {(each.method, each.share): each.epochs for each in convergence(section)}
    assert found == {("full_ft", 0.95): 3, ("full_ft", 0.99): 3, ("frod", 0.95): 2, ("frod", 0.99): 2}
    (table,) = [table for table in section_tables(section) if table.name == "convergence"]
    assert "first evaluation on held-out rows" in table.notes[0]
