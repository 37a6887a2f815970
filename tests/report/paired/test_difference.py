"""The variance of a difference, against the analysis of variance of statsmodels, and special cases against scipy."""

from dataclasses import replace
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from frod_bench.report.paired.difference import Difference, Runs, difference, mean_over_tasks

PLAIN = Difference(
    value=0.01, rows=1000, seeds=4, of_rows=0.0, of_seeds=1e-4, of_both=0.0, degrees=3.0, discordance=0.1
)


def by_row_and_seed(first, second):
    return (first.predictions == first.labels).astype(int) - (second.predictions == second.labels)


def mean_squares(values):
    """Return the mean squares of rows, seeds and residual of values [seeds, rows]."""
    seed, row = np.indices(values.shape)
    frame = pd.DataFrame({"d": values.ravel(), "seed": seed.ravel(), "row": row.ravel()})
    found = anova_lm(ols("d ~ C(row) + C(seed)", frame).fit())["mean_sq"]
    return found["C(row)"], found["C(seed)"], found["Residual"]


def test_the_variances_are_those_of_the_analysis_of_variance(draw):
    first, second = draw(rows=90)
    found, values = difference("accuracy", first, second), by_row_and_seed(first, second)
    k, n = values.shape
    assert found.value == pytest.approx(values.mean())
    assert (found.rows, found.seeds, found.degrees) == (n, k, k - 1)
    assert found.discordance == pytest.approx(np.abs(values).mean())
    assert found.of_seeds == pytest.approx(mean_squares(values)[1] / (n * k))
    with_two_more = np.concatenate([values, np.repeat([[1, -1]], k, axis=0)], axis=1)
    of_rows, _, rest = mean_squares(with_two_more)
    assert found.of_rows == pytest.approx((of_rows - rest) / (k * (n + 2)))
    assert found.of_both == pytest.approx(rest / (k * (n + 2)))


def test_only_common_seeds_are_paired(draw):
    first, second = draw(seeds=(3, 1, 2), others=(2, 3, 9))
    found = difference("accuracy", first, second)
    same = [Runs((2, 3), first.labels, runs.of([2, 3])) for runs in (first, second)]
    assert found == difference("accuracy", *same)
    assert found.seeds == 2


def test_seeds_that_are_not_common_are_compared_as_in_welchs_test(draw):
    first, second = draw(seeds=(0, 1, 2), others=(7, 8, 9, 10, 11))
    found = difference("accuracy", first, second)
    scores = [(runs.predictions == runs.labels).mean(axis=1) for runs in (first, second)]
    expected = ttest_ind(*scores, equal_var=False)
    assert (found.value, found.degrees) == pytest.approx((scores[0].mean() - scores[1].mean(), expected.df))
    estimate = mean_over_tasks([replace(found, of_rows=0.0, of_both=0.0)])
    assert estimate.p_of_no_difference() == pytest.approx(expected.pvalue)


def test_one_run_each_has_the_adjusted_interval_of_bonett_and_price(draw):
    first, second = draw(rows=400, seeds=(0,))
    found = difference("accuracy", first, second)
    values = by_row_and_seed(first, second)[0]
    b, c, n = (values == 1).sum(), (values == -1).sum(), len(values)
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    assert found.of_rows == pytest.approx((p + q - (p - q) ** 2) / (n + 1))
    assert (found.of_seeds, found.seeds, mean_over_tasks([found]).degrees) == (0.0, 1, inf)
    assert 0 < found.p_exact < 1


def test_a_single_run_of_one_method_is_compared_with_the_run_of_the_same_seed(draw):
    first, second = draw(seeds=(0, 1, 2), others=(2,))
    values = by_row_and_seed(Runs((2,), first.labels, first.of([2])), second)
    assert difference("accuracy", first, second).value == pytest.approx(values.mean())


def test_rows_that_both_methods_find_hard_do_not_widen_the_interval(draw):
    first, second = draw(rows=1000)
    apart = difference("accuracy", first, Runs((5, 6, 7, 8), second.labels, second.predictions)).variance
    other_rows = sum((runs.predictions == runs.labels).mean(axis=0).var() / 1000 for runs in (first, second))
    assert difference("accuracy", first, second).variance < 0.6 * other_rows
    assert apart < 0.6 * other_rows


def test_seeds_that_agree_by_chance_leave_what_rows_alone_do():
    found = replace(PLAIN, of_seeds=1e-9, of_both=4e-5)
    assert found.variance == 4e-5
    assert mean_over_tasks([found]).degrees > 1000


def test_the_mean_over_tasks_has_the_variance_and_the_degrees_of_a_sum():
    estimate = mean_over_tasks([replace(PLAIN, value=value) for value in (0.01, 0.02, 0.06)])
    assert estimate.value == pytest.approx(0.03)
    assert estimate.variance == pytest.approx(1e-4 / 3)
    assert estimate.degrees == pytest.approx(9)


def test_identical_methods_do_not_differ(draw):
    first, _ = draw(rows=2000)
    estimate = mean_over_tasks([difference("accuracy", first, first)])
    assert estimate.value == 0.0
    assert estimate.p_of_no_difference() == 1.0
    assert estimate.p_of_relevance(0.01) < 1e-6
    few, _ = draw(rows=40)
    assert mean_over_tasks([difference("accuracy", few, few)]).p_of_relevance(0.01) > 0.3


@pytest.mark.parametrize("metric", ["f1", "matthews_correlation"])
def test_other_metrics_have_the_same_three_designs(draw, metric):
    for seeds, others, degrees in (((0, 1, 2), None, 2), ((0, 1), (2, 3, 4), None), ((0,), None, inf)):
        found = difference(metric, *draw(rows=500, seeds=seeds, others=others))
        assert degrees in (None, found.degrees)
        assert found.p_exact is None
        assert 1e-3 < found.variance**0.5 < 0.1
