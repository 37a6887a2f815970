"""Power and sizes, against statsmodels."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.power import NormalIndPower, TTestPower

from frod_bench.report.paired.difference import Difference
from frod_bench.report.paired.power import detectable, detectable_share, power, rows_needed, seeds_needed, with_design

SEEDS_ONLY = Difference(
    value=0.0, rows=1000, seeds=4, of_rows=0.0, of_seeds=1e-4, of_both=0.0, degrees=3.0, discordance=0.1
)
DEVIATION = 0.02  # over seeds: sqrt(4 * 1e-4)
ROWS_ONLY = replace(SEEDS_ONLY, of_rows=1e-4, of_seeds=0.0)


@pytest.mark.parametrize("level", [0.05, 0.0125])
@pytest.mark.parametrize("size", [0.005, 0.02, 0.05])
def test_power_is_that_of_the_t_test(size, level):
    expected = TTestPower().power(size / DEVIATION, nobs=4, alpha=level)
    assert power([SEEDS_ONLY], size, level) == pytest.approx(expected, abs=0.01)  # theirs counts the wrong side too


def test_without_variance_over_seeds_it_is_that_of_the_normal_test():
    expected = NormalIndPower(ddof=0).power(0.02 / 0.01, nobs1=1, alpha=0.05, ratio=0)
    assert power([ROWS_ONLY], 0.02) == pytest.approx(expected, abs=1e-3)


def test_the_detectable_difference_is_found_with_probability_80():
    for parts in ([SEEDS_ONLY], [ROWS_ONLY], [SEEDS_ONLY, ROWS_ONLY]):
        assert power(parts, detectable(parts)) == pytest.approx(0.8, abs=1e-3)
    expected = TTestPower().solve_power(nobs=4, alpha=0.05, power=0.8)
    assert detectable([SEEDS_ONLY]) == pytest.approx(expected * DEVIATION, rel=1e-3)


@pytest.mark.parametrize("size", [0.01, 0.02, 0.03])
def test_seeds_needed_are_those_of_the_t_test(size):
    assert seeds_needed([SEEDS_ONLY], size) == ceil(TTestPower().solve_power(size / DEVIATION, alpha=0.05, power=0.8))


def test_rows_needed_grow_with_the_square_of_the_difference():
    times = rows_needed([ROWS_ONLY], 0.01)
    assert rows_needed([ROWS_ONLY], 0.005) == pytest.approx(4 * times)
    assert power([with_design(ROWS_ONLY, rows=1000 * times)], 0.01) == pytest.approx(0.8, abs=1e-3)


def test_what_no_number_of_rows_or_seeds_shows_is_none():
    assert rows_needed([SEEDS_ONLY], 0.001) is None
    assert seeds_needed([ROWS_ONLY], 0.001) is None
    assert seeds_needed([replace(ROWS_ONLY, seeds=1)], 0.1) is None


def test_a_design_scales_each_variance_by_what_it_comes_from():
    parts = replace(SEEDS_ONLY, of_rows=2e-4, of_seeds=3e-4, of_both=1e-4)
    assert with_design(parts) == parts
    more = with_design(parts, rows=2000, seeds=8)
    assert (more.rows, more.seeds, more.degrees) == (2000, 8, 7)
    assert more.of_rows == pytest.approx(1e-4)
    assert more.of_both == pytest.approx(0.25e-4)
    assert more.of_seeds == pytest.approx(1e-4 + 0.25e-4)


def test_the_detectable_share_is_found_with_its_probability():
    share = detectable_share(33)
    first = np.random.default_rng(0).binomial(33, share, 4000)
    found = np.mean([binomtest(int(k), 33).pvalue < 0.05 and k > 16 for k in first])
    assert found == pytest.approx(0.8, abs=0.02)
    assert detectable_share(5) is None  # even all of five have a p of 0.06
    assert detectable_share(6) ** 6 == pytest.approx(0.8)
