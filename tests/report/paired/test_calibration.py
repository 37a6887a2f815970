"""A small version of `scripts/paired_calibration.py`: the levels hold on simulated runs whose truth is known."""

import importlib.util
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from frod_bench.report.paired.power import power
from frod_bench.report.paired.verdict import MARGIN

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "scripts/paired_calibration.py"
REPEATS = 250
BOUND = 0.05 + 3 * (0.05 * 0.95 / REPEATS) ** 0.5  # of a share that is 5 % at most


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("paired_calibration", SCRIPT)
    sys.modules["paired_calibration"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trials(script, design, advantage):
    rng = np.random.default_rng(0)
    return [script.trial(design, advantage, rng) for _ in range(REPEATS)]


@pytest.fixture(scope="module", params=[(400, 3, 1), (400, 5, 1), (300, 3, 5)])
def design(request, script):
    rows, seeds, tasks = request.param
    return script.Design(rows, seeds, tasks=tasks)


def test_equal_methods_are_rarely_told_apart(script, design):
    found = trials(script, design, 0.0)
    assert fmean(not each.covered for each in found) < BOUND
    assert fmean(bool({"better", "worse"} & set(each.all)) for each in found) < BOUND


def test_methods_a_margin_apart_are_rarely_called_equivalent(script, design):
    found = trials(script, design, MARGIN)
    assert fmean(not each.covered for each in found) < BOUND
    assert fmean("equivalent" in each.all for each in found) < BOUND


def test_the_power_is_the_one_that_was_planned(script, design):
    size = 0.04 if design.tasks == 1 else 0.02
    found = trials(script, design, size)
    plan = script._mean_parts([each.parts for each in found])
    assert fmean(each.one == "better" for each in found) == pytest.approx(power(plan, size), abs=0.1)


def test_a_percentile_bootstrap_is_too_narrow_where_seeds_matter(script):
    rng, design = np.random.default_rng(0), script.Design(3000, 3, seed_sd=0.015)
    found = [script.intervals(*design.draw(rng, [0, 0]), rng) for _ in range(REPEATS)]
    missed = {name: fmean(not each[name][0] <= 0 <= each[name][1] for each in found) for name in found[0]}
    assert missed["here"] < BOUND < missed["bootstrap, percentile"]


def test_the_simulated_accuracy_is_the_one_asked_for(script):
    rng, design = np.random.default_rng(0), script.Design(2000, 200, seed_sd=0.02)
    first, second = design.draw(rng, [0.0, 0.05])
    assert first.mean() == pytest.approx(0.85, abs=0.02)
    assert second.mean() - first.mean() == pytest.approx(0.05, abs=0.01)
    assert first.mean(axis=1).std() == pytest.approx(0.02, abs=0.004)
