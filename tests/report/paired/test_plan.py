"""Rows and seeds planned from stored runs, and `frod-bench plan TABLE --detect`."""

import numpy as np
import pytest

from frod_bench.cli import run_command
from frod_bench.report.paired.plan import plan
from frod_bench.report.paired.power import power, with_design
from frod_bench.report.summary import summarise


@pytest.fixture
def right():
    """Return a function that draws right answers [runs, rows] of one method; rows are as hard for every method."""
    hard = np.random.default_rng(9).standard_normal(800)

    def draw(seed, runs=4, deviation=0.03):
        rng = np.random.default_rng(seed)
        effects = deviation * rng.standard_normal((runs, 1))
        return hard + 0.5 * rng.standard_normal((runs, 800)) < 0.9 + effects

    return draw


def section_of(*groups):
    [section] = summarise([run for runs in groups for run in runs]).sections
    return section


@pytest.fixture
def runs(predicted, right):
    tasks, methods = ("glue/rte", "glue/sst2"), ("frod", "lora", "vera")
    places = [(task, method) for task in tasks for method in methods]
    return [predicted(method, right(seed), task) for seed, (task, method) in enumerate(places)]


def test_what_is_planned_is_found_with_probability_80(runs):
    *tasks, mean = plan(section_of(*runs), 0.06, seeds=5, baselines=1)
    assert [each.task for each in tasks] == ["glue/rte", "glue/sst2"] and mean.task == "mean of 2 tasks"
    for each in (*tasks, mean):
        assert power(each.parts, each.detectable) == pytest.approx(0.8, abs=1e-3)
        with_rows = [with_design(part, rows=each.rows * part.rows) for part in each.parts]
        assert power(with_rows, 0.06) == pytest.approx(0.8, abs=1e-3)
    seeds = tasks[0].seeds
    assert power([with_design(tasks[0].parts[0], seeds=seeds)], 0.06) >= 0.8
    assert power([with_design(tasks[0].parts[0], seeds=seeds - 1)], 0.06) < 0.8
    assert mean.detectable < min(each.detectable for each in tasks)


def test_the_plan_has_the_median_pair(runs):
    first, *_ = plan(section_of(*runs), 0.02, seeds=4, baselines=1)
    [part] = first.parts
    assert (first.pairs, part.rows, part.seeds) == (2, 800, 4)
    frod, lora, vera = (np.stack([run.predictions().predictions for run in group]) for group in runs[:3])
    discordance = [(frod != other).mean() for other in (lora, vera)]
    assert part.discordance == pytest.approx(np.mean(discordance))


def test_more_seeds_and_more_baselines_are_planned_for(runs):
    section = section_of(*runs)
    assert plan(section, 0.01, 8, 1)[0].detectable < plan(section, 0.01, 4, 1)[0].detectable
    assert plan(section, 0.01, 4, 8)[0].detectable > plan(section, 0.01, 4, 1)[0].detectable


def test_rows_go_down_as_seeds_go_up(runs):
    rows = plan(section_of(*runs), 0.06, 5, 1)[-1].rows_with(0.06, (4, 6, 10), 1)
    assert rows[4] > rows[6] > rows[10]


def test_without_predictions_errors_count_as_independent(store):
    scores = {"frod": (0.80, 0.82, 0.78), "lora": (0.80, 0.80, 0.80)}
    section = section_of([store(m, seed=s, best=b) for m, of_seed in scores.items() for s, b in enumerate(of_seed)])
    [found] = plan(section, 0.01, 3, 1)
    assert found.from_scores
    assert found.deviation == pytest.approx(0.02)
    assert found.parts[0].discordance == pytest.approx(2 * 0.8 * 0.2)
    assert found.parts[0].of_rows == pytest.approx(0.32 / 277)


def test_single_runs_tell_no_deviation_over_seeds(predicted, right):
    section = section_of(*(predicted(m, right(n, runs=1)) for n, m in enumerate(("frod", "lora"))))
    [found] = plan(section, 0.01, 5, 1)
    assert found.deviation is None and found.seeds is None
    assert found.rows > 1


def test_runs_that_tell_nothing_are_no_plan(store):
    assert plan(section_of([store("frod")], [store("lora")]), 0.01, 3, 1) == []


def test_the_command_prints_every_task_and_the_mean(runs, tmp_path, capsys):
    words = ("plan", "4", "--profile", "offline", "--detect", "3", str(tmp_path))
    assert run_command([*words, "--seeds", "0,1,2,3,4"]) == 0
    out = capsys.readouterr().out
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert lines["glue/rte"][1:3] == ["2", "800"] and lines["mean of 2 tasks"][4:6] == ["4", "1,600"]
    assert "8 baselines" in out and "To show 3 points on the mean of 2 tasks takes " in " ".join(out.split())
    assert run_command([*words, "--methods", "lora,frod", "--tasks", "rte"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 baseline." in out and "glue/sst2" not in out


def test_the_command_says_what_to_run_where_nothing_is_stored(store, tmp_path, capsys):
    store("frod")
    words = ("plan", "4", "--detect", "1", str(tmp_path), "--profile")
    for profile in ("offline", "paper"):
        assert run_command([*words, profile]) == 2
        assert f"frod-bench table 4 --profile {profile} --methods frod,lora" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    ["4 --detect 0", "4 --detect nan", "tune --detect 1", "4 --detect 1 data.max_train=3", "4 --detect 1 --seeds 0"],
)
def test_what_cannot_be_planned_is_a_wrong_request(words, capsys):
    assert run_command(["plan", *words.split()]) == 2
    assert "Traceback" not in capsys.readouterr().err
