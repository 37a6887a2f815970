from math import sqrt

import numpy as np
import pytest

from frod_bench.report.blocks import blocks
from frod_bench.report.leaders import leaders
from frod_bench.report.summary import summarise


def led(runs, read=True):
    [section] = summarise(runs).sections
    [block] = blocks(section)
    return leaders(block, read)


def test_the_interval_is_students_over_the_seeds(store):
    runs = [store("frod", seed=seed, best=best) for seed, best in enumerate((0.70, 0.72, 0.74))]
    [leader] = led([*runs, store("lora", seed=0, best=0.71)])
    half = 4.302653 * 0.02 / sqrt(3)  # t of 2 degrees of freedom
    assert leader.interval == pytest.approx((0.72 - half, 0.72 + half))
    assert (leader.method, leader.second, leader.lead) == ("frod", "lora", pytest.approx(0.01))
    assert (leader.verdicts, leader.unpaired, leader.seeds) == ({}, ["lora"], 3)


def test_a_single_seed_has_no_interval(store):
    assert led([store("frod")])[0].interval is None


def test_the_mean_is_over_the_methods_that_ran_everywhere(store):
    runs = [store(m, task, best=best) for m, best in (("frod", 0.6), ("lora", 0.5)) for task in ("a", "b")]
    *_, mean = led([*runs, store("vera", "a", best=0.9)])
    assert (mean.task, mean.method, mean.score, mean.rows) == ("mean of 2 tasks", "frod", pytest.approx(0.6), None)


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    base = rng.random(2000) < 0.8
    return {"lora": base ^ (rng.random((3, 2000)) < 0.01), "vera": base & (rng.random((3, 2000)) < 0.9)}


def test_verdicts_are_about_the_best_method_whichever_it_is(answers, predicted):
    runs = [run for method, right in answers.items() for run in predicted(method, right)]
    [leader] = led(runs)
    assert (leader.method, leader.verdicts, leader.unpaired) == ("lora", {"better than": ["vera"]}, [])
    assert led(runs, read=False)[0].unpaired == ["vera"]


def test_over_tasks_the_verdict_is_on_the_mean(answers, predicted):
    runs = [run for task in ("a", "b") for method, right in answers.items() for run in predicted(method, right, task)]
    assert [leader.verdicts for leader in led(runs)] == [{"better than": ["vera"]}] * 3


@pytest.mark.parametrize(
    ("lost", "others", "verdict"), [(9, 8, "undecided against"), (9, 0, "better than"), (11, 8, "better than")]
)
def test_the_level_allows_for_the_choice_of_the_best(predicted, lost, others, verdict):
    """An exact p of 2^(1 - lost) = 0.0039 is enough for Holm among nine others, and not among all 45 pairs of ten."""
    right = np.ones((1, 200))
    worse = right.copy()
    worse[:, :lost] = 0
    runs = [*predicted("frod", right), *predicted("vera", worse)]
    [leader] = led([*runs, *(run for n in range(others) for run in predicted(f"m{n}", right))])
    assert "vera" in leader.verdicts[verdict]
