"""What a design can show: the power of the test, the smallest difference it detects, the rows and seeds it needs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, inf

from scipy.special import nctdtr, ndtr
from scipy.stats import binom

from frod_bench.report.paired.difference import Difference, mean_over_tasks
from frod_bench.report.paired.estimate import quantile

PROBABILITY = 0.8
MOST_SEEDS = 1000
_MOST_ROWS = 1e4  # times the rows there are
_LARGE = 1e6  # degrees of freedom from which t is as good as normal
_STEPS = 40  # of a bisection


def power(differences: Sequence[Difference], size: float, level: float = 0.05) -> float:
    """Return the probability to find a true mean difference of `size` significant at that two-sided level.

    The variances are taken for true, so the result is itself an estimate: from five seeds a rough one.
    """
    _, variance, degrees = mean_over_tasks([with_design(each) for each in differences])
    if variance == 0:
        return 1.0
    shift = size / variance**0.5
    limit = quantile(1 - level / 2, degrees)
    if degrees > _LARGE:
        return float(ndtr(shift - limit))
    return 1 - float(nctdtr(degrees, shift, limit))


def detectable(differences: Sequence[Difference], level: float = 0.05) -> float:
    """Return the smallest true difference that this design finds with probability 0.8, as a fraction."""
    large = mean_over_tasks(list(differences)).error
    while 0 < large < 1 and power(differences, large, level) < PROBABILITY:
        large *= 2
    return _smallest(lambda size: power(differences, size, level) >= PROBABILITY, 0.0, large)


def seeds_needed(differences: Sequence[Difference], size: float, level: float = 0.05) -> int | None:
    """Return the number of seeds on every task that finds `size` with probability 0.8 on the same rows.

    None if not even 1,000 would, or if there is a single run each, so that the variance over seeds is unknown.
    """
    if any(each.seeds < 2 for each in differences):
        return None

    def enough(seeds: float) -> bool:
        return power([with_design(each, seeds=ceil(seeds)) for each in differences], size, level) >= PROBABILITY

    if not enough(MOST_SEEDS):
        return None
    return 2 if enough(2) else ceil(_smallest(enough, 2, MOST_SEEDS))


def rows_needed(differences: Sequence[Difference], size: float, level: float = 0.05) -> float | None:
    """Return how many times the present rows of every task find `size` with probability 0.8 with the same seeds.

    None if not even ten thousand times the rows would: the seeds differ too much.
    """

    def enough(times: float) -> bool:
        longer = [with_design(each, rows=times * each.rows) for each in differences]
        return power(longer, size, level) >= PROBABILITY

    return _smallest(enough, 0.0, _MOST_ROWS) if enough(_MOST_ROWS) else None


def with_design(difference: Difference, rows: float | None = None, seeds: int | None = None) -> Difference:
    """Return what the difference's variances would be with other numbers of rows and seeds."""
    n, k = difference.rows / (rows or difference.rows), difference.seeds / (seeds or difference.seeds)
    of_both = difference.of_both * n * k
    between = max(difference.of_seeds - difference.of_both, 0.0) * k
    degrees = difference.degrees
    if seeds is not None and degrees < inf:
        degrees *= (seeds - 1) / (difference.seeds - 1)
    return replace(
        difference,
        rows=ceil(rows or difference.rows),
        seeds=seeds or difference.seeds,
        of_rows=difference.of_rows * n,
        of_seeds=between + of_both,
        of_both=of_both,
        degrees=degrees,
    )


def detectable_share(trials: int, level: float = 0.05) -> float | None:
    """Return the smallest true share above one half that a sign test of so many trials finds with probability 0.8.

    None where not even a share of one is found.
    """
    least = next((k for k in range(trials + 1) if binom.sf(k - 1, trials, 0.5) <= level / 2), None)
    if least is None:
        return None
    return _smallest(lambda share: binom.sf(least - 1, trials, share) >= PROBABILITY, 0.5, 1.0)


def _smallest(enough: Callable[[float], bool], low: float, high: float) -> float:
    """Return where `enough` begins to hold between two bounds, by bisection."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
