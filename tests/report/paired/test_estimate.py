"""Tests and intervals of an estimate, against scipy and statsmodels."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from statsmodels.stats.weightstats import DescrStatsW

from frod_bench.report.paired.estimate import Estimate


@pytest.fixture(params=[3, 5, 40])
def sample(request):
    return np.random.default_rng(request.param).normal(0.004, 0.01, request.param)


def estimate(sample):
    return Estimate(sample.mean(), sample.var(ddof=1) / len(sample), len(sample) - 1)


def test_p_and_interval_of_a_mean_are_those_of_the_t_test(sample):
    found, own = ttest_1samp(sample, 0), estimate(sample)
    assert own.p_of_no_difference() == pytest.approx(found.pvalue)
    assert own.interval() == pytest.approx(tuple(found.confidence_interval(0.95)))
    assert own.interval(0.9) == pytest.approx(tuple(found.confidence_interval(0.9)))


def test_the_p_of_equivalence_is_that_of_two_one_sided_tests(sample):
    for margin in (0.002, 0.01, 0.03):
        p, *_ = DescrStatsW(sample).ttost_mean(-margin, margin)
        assert estimate(sample).p_of_relevance(margin) == pytest.approx(p)


def test_equivalence_holds_where_the_90_percent_interval_is_inside_the_margin(sample):
    low, high = estimate(sample).interval(0.9)
    edge = max(-low, high)
    assert estimate(sample).p_of_relevance(1.001 * edge) < 0.05 < estimate(sample).p_of_relevance(0.999 * edge)


def test_without_bounds_on_the_degrees_t_is_normal():
    own = Estimate(0.02, 1e-4, float("inf"))
    assert own.p_of_no_difference() == pytest.approx(2 * norm.sf(2))
    assert own.interval() == pytest.approx((0.02 - 0.01959964, 0.02 + 0.01959964))


def test_without_variance_the_value_is_known():
    assert Estimate(0.0, 0.0, 2).p_of_no_difference() == 1.0
    assert Estimate(0.1, 0.0, 2).p_of_no_difference() == 0.0
    assert Estimate(0.1, 0.0, 2).p_of_relevance(0.01) == 1.0
    assert Estimate(0.001, 0.0, 2).p_of_relevance(0.01) == 0.0
    assert Estimate(0.1, 0.0, 2).interval() == (0.1, 0.1)
