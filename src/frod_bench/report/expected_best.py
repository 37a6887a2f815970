"""The expected best score of a search against its number of trials."""

from collections.abc import Sequence
from math import comb


def expected_best(scores: Sequence[float], trials: int) -> float:
    """Return the expected best of `trials` of the scores, drawn without replacement: the mean over all such subsets.

    Dodge et al. (2019, arXiv 1909.03004) proposed the curve, drawing with replacement, so that a trial can count twice:
    Tang et al. (2020, arXiv 2004.13705) show that their estimate is too low, and that this one has no bias where the
    trials are a random sample of those that could have been run. Raises ValueError for more trials than scores.
    """
    count = len(scores)
    if not 1 <= trials <= count:
        raise ValueError(f"{trials} trials of {count} cannot be drawn")
    # the k-th smallest score (from 0) is the best of C(k, trials - 1) subsets
    return sum(comb(k, trials - 1) * score for k, score in enumerate(sorted(scores))) / comb(count, trials)
