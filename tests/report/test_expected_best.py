from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from frod_bench.report.expected_best import expected_best

SCORES = [0.71, 0.5, 0.86, 0.86, 0.0, 0.64, 0.9]


@pytest.mark.parametrize("trials", range(1, len(SCORES) + 1))
def test_it_is_the_mean_over_all_subsets(trials):
    best_of_subsets = fmean(max(subset) for subset in combinations(SCORES, trials))
    assert expected_best(SCORES, trials) == pytest.approx(best_of_subsets, rel=1e-12)


def test_one_trial_is_the_mean_and_all_trials_are_the_best():
    assert expected_best(SCORES, 1) == pytest.approx(fmean(SCORES))
    assert expected_best(SCORES, 7) == pytest.approx(0.9)


def test_it_has_no_bias_where_drawing_with_replacement_is_too_low():
    """The best of 3 uniform numbers is 3/4 on average; from 5 of them the formula of Dodge et al. gives less."""
    samples = np.sort(np.random.default_rng(0).random((4000, 5)), axis=1)
    ours = np.mean([expected_best(list(sample), 3) for sample in samples])
    k = np.arange(6) / 5
    with_replacement = np.mean(samples @ (k[1:] ** 3 - k[:-1] ** 3))
    assert ours == pytest.approx(0.75, abs=0.01)
    assert with_replacement < 0.73


@pytest.mark.parametrize("trials", [0, 8])
def test_more_trials_than_there_are_is_an_error(trials):
    with pytest.raises(ValueError, match="cannot be drawn"):
        expected_best(SCORES, trials)
