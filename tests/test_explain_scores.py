"""`scripts/explain_scores.py` on made-up runs, of which it is known what explains their scores."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/explain_scores.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("explain_scores", SCRIPT)
    sys.modules["explain_scores"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs(script, cause, tasks=8, noise=0.05):
    """Return nine runs on every task, whose score has its peak where a number of the group `cause` is zero."""
    rng = np.random.default_rng(1)
    found = []
    for task in range(tasks):
        for _ in range(9):
            numbers = {script.ANGLES: rng.uniform(-1, 1, 3), script.TANGENT: rng.uniform(-1, 1, 3)}
            numbers |= {script.RATIO: rng.uniform(-1, 1, 1)}
            score = task - (numbers[cause][0] ** 2 if cause else 0.0) + noise * rng.normal()
            found.append(script.Run(f"task{task}", (f"task{task}", "tiny", 100), score, numbers))
    return found


@pytest.mark.parametrize("cause", ["component angles", "tan alpha", "ratio of the rates"])
def test_the_cause_explains_the_scores_of_tasks_not_seen_and_nothing_else_does(script, cause):
    found = {each.group: each for each in script.compare(runs(script, cause), resamples=300)}
    assert found[cause].share > 0.6 and found[cause].interval[0] > 0.4
    for group in found.keys() - {cause}:
        assert found[group].share < 0.15
        assert found[group].interval[1] < found[cause].interval[0]
    for group in found.keys() - {script.ANGLES}:
        low, high = found[group].excess_interval
        assert low > 0 if cause == script.ANGLES else low < 0.1
        assert high < 0 or group != cause


@pytest.mark.parametrize("tasks", [2, 6])
def test_where_nothing_explains_the_scores_no_group_does(script, tasks):
    for each in script.compare(runs(script, None, tasks, noise=1.0), resamples=300):
        assert each.share < 0.15
        assert each.excess_interval[0] <= 0 <= each.excess_interval[1] or each.group == script.ANGLES


def test_with_two_tasks_the_folds_are_runs(script):
    found = {each.group: each for each in script.compare(runs(script, script.TANGENT, tasks=2), resamples=300)}
    assert found[script.TANGENT].share > 0.5 > found[script.ANGLES].share


def test_the_page_says_what_cannot_explain_anything(script):
    made = [
        script.Run(run.task, run.place, run.score, run.numbers | {script.RATIO: [0.1]})
        for run in runs(script, script.ANGLES)
    ]
    text = script.page(made, left_out=3)
    assert "72 runs of FRoD" in text and "3 others" in text
    assert "cannot explain anything here: ratio of the rates" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| ratio of the rates")]
    assert [cell.strip() for cell in line.split("|")][2:5] == ["0.00", "0.00", "0.00"]


def test_runs_are_described_at_their_reported_epoch(script):
    root = Path(__file__).parents[1] / "results/runs/table5_offline"
    stored = [run for run in script.find_records(root).runs if run.record.status == "completed"][:6]
    for run in stored:
        line = run.metrics_by_layer()[(run.record.selected or {})["epoch"] - 1]
        own = script.described(run)
        if line["turned_deg"]["mean"] == 0 or not line["lr_ratio"]:
            assert own is None
            continue
        assert own.score == run.record.selected["value"]
        assert np.exp(own.numbers[script.ANGLES][:2]) == pytest.approx(
            [line["turned_deg"]["mean"], line["turned_deg"]["max"]]
        )
        assert np.exp(own.numbers[script.RATIO]) == pytest.approx([line["lr_ratio"]])
    assert any(script.described(run) for run in stored)
