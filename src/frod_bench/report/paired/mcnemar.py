"""McNemar's exact test of two runs on the same rows."""

import numpy as np
from scipy.special import bdtr


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Return the two-sided p for right answers [rows] of two runs (McNemar 1947, with binomial probabilities).

    Of the rows that only one run gets right, half are expected to be the first run's.
    """
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
