"""Statistics over the seeds of stored runs: intervals, paired tests and ranks.

Scores are fractions, and higher is better. Methods are compared only on the same task, setting and
seeds, with as many rows for training and for evaluation.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from frod_bench.report.holm import holm
from frod_bench.report.summary import Place, Row, Section, Spread

Score = Literal["best", "final"]

ALL_TASKS = "all tasks"
_DECIMALS = 12  # of a mean before it is ranked: equal sums can differ in the last bit
_EXACT_UP_TO = 16  # pairs: all 2^16 sign flips count; for more pairs, half as many are drawn
_RESAMPLES = 2 ** (_EXACT_UP_TO - 1) - 1
_BOOTSTRAP_RESAMPLES = 9999
_AT_ONCE = 64  # groups whose resampled means are in memory
_DIGITS = 12  # of a bound: the last bits of a product of matrices differ between machines
_ROUNDING = 1e-12  # equal sums can differ in the last bits
_BLOCK = 2**20


@dataclass(frozen=True)
class Estimate:
    """A method's score on one task over its seeds; `interval` is None for a single seed."""

    task: str
    method: str
    score: Score
    seeds: int
    spread: Spread
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedComparison:
    """`method` minus `baseline` over pairs: the same seed on one task, or the means of one task over all tasks.

    `p` is two-sided, None for a single pair; `p_holm` is adjusted for the number of baselines on the same task.
    """

    task: str
    method: str
    baseline: str
    score: Score
    pairs: int
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Rank:
    """The mean over tasks of a method's rank (1 is the best, ties share) among the methods that ran on all of them."""

    method: str
    score: Score
    rank: float
    tasks: int


def intervals(groups: Iterable[Sequence[float]], level: float = 0.95) -> list[tuple[float, float] | None]:
    """Return the percentile bootstrap interval of the mean of each group, None for fewer than two values.

    Groups of one size share their resamples. With few values an interval is too narrow: for three seeds it cannot
    exceed their range.
    """
    arrays = [np.asarray(group, dtype=float) for group in groups]
    found: list[tuple[float, float] | None] = [None] * len(arrays)
    tail = (1 - level) / 2
    for n, places in _by_size(arrays):
        for start in range(0, len(places), _AT_ONCE):
            block = places[start : start + _AT_ONCE]
            values = np.stack([arrays[place] for place in block])  # [groups, n]
            means = np.concatenate([values @ counts.T for counts in _resamples(n)], axis=1) / n
            edges = np.percentile(means, [100 * tail, 100 * (1 - tail)], axis=1)
            for place, low, high in zip(block, *edges, strict=True):
                found[place] = _rounded(low), _rounded(high)
    return found


def paired_p(groups: Iterable[Sequence[float]]) -> list[float | None]:
    """Return the two-sided p of the sign-flip permutation test of mean 0 for each group of differences.

    None for fewer than two pairs. Up to n = 16 all 2^n sign flips are counted, so p is at least 2^(1 - n); for more,
    32,767 are drawn, the same for all groups of that size.
    """
    arrays = [np.asarray(group, dtype=float) for group in groups]
    p_values: list[float | None] = [None] * len(arrays)
    for n, places in _by_size(arrays):
        differences = np.stack([arrays[place] for place in places], axis=1)  # [n, groups]
        least = np.abs(differences.mean(axis=0)) - _ROUNDING  # a flipped mean counts from here on
        far, drawn = np.zeros(len(places)), 0
        for signs in _signs(n):
            far += np.sum(np.abs(signs @ differences) / n >= least, axis=0)
            drawn += len(signs)
        if n > _EXACT_UP_TO:  # the measured signs count as one of the draws
            far, drawn = far + 1, drawn + 1
        for place, p in zip(places, far / drawn, strict=True):
            p_values[place] = float(p)
    return p_values


def _rounded(bound: float) -> float:
    return float(f"{bound:.{_DIGITS}g}")


def _by_size(groups: list[np.ndarray]) -> Iterator[tuple[int, list[int]]]:
    """Yield every size of at least two values with the places of the groups of that size."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        places[len(group)].append(place)
    return ((n, places[n]) for n in sorted(places) if n > 1)


@lru_cache(maxsize=2)
def _resamples(n: int) -> list[np.ndarray]:
    """Return how often each of the n values is in every resample, in blocks [resamples, n]."""
    rng = np.random.default_rng(0)
    blocks = []
    for rows in _blocks(_BOOTSTRAP_RESAMPLES, n):
        drawn = rng.integers(0, n, (rows, n), dtype=np.int32) + n * np.arange(rows)[:, None]
        blocks.append(np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float))
    return blocks


@lru_cache(maxsize=2)
def _signs(n: int) -> list[np.ndarray]:
    """Return sign flips in blocks [flips, n]: up to n = 16 all that leave the last sign, else random ones.

    A flip of all signs leaves the size of a mean, so half of the flips count for all.
    """
    if n <= _EXACT_UP_TO:
        return [1.0 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)]
    rng = np.random.default_rng(0)
    return [rng.integers(0, 2, (rows, n), dtype=np.int8) * 2.0 - 1 for rows in _blocks(_RESAMPLES, n)]


def _blocks(rows: int, n: int) -> Iterator[int]:
    """Yield block sizes that add up to `rows`, so that no array of n columns is much larger than `_BLOCK` numbers."""
    at_once = max(1, _BLOCK // n)
    for start in range(0, rows, at_once):
        yield min(at_once, rows - start)


def estimates(section: Section, score: Score) -> list[Estimate]:
    """Return every method's score on every task with its bootstrap interval."""
    scores = [list(_by_seed(row, score).values()) for row in section.rows]
    return [
        Estimate(row.task, row.method, score, len(values), Spread.over(values), interval)
        for row, values, interval in zip(section.rows, scores, intervals(scores), strict=True)
    ]


def paired_comparisons(section: Section, score: Score, method: str = "frod") -> Iterator[PairedComparison]:
    """Yield every variant of `method` against every other method, by task and then over their common tasks.

    Over tasks, each task is one pair: the difference of its means over the common seeds.
    """
    own = list(dict.fromkeys(row.method for row in section.rows if _name(row) == method))
    others = list(dict.fromkeys(row.method for row in section.rows if _name(row) != method))
    table: dict[Place, dict[str, dict[int, float]]] = {}
    for row in section.rows:
        table.setdefault(row.place, {})[row.method] = _by_seed(row, score)
    for variant in own:
        means: dict[str, list[float]] = defaultdict(list)
        for place, methods in table.items():
            if variant not in methods:
                continue
            pairs = {other: _differences(methods[variant], methods[other]) for other in others if other in methods}
            block = {other: differences for other, differences in pairs.items() if differences}
            yield from _block(place.task, variant, score, block)
            for other, differences in block.items():
                means[other].append(fmean(differences))
        if len({place.task for place in table}) > 1:
            yield from _block(ALL_TASKS, variant, score, {other: means[other] for other in others if other in means})


def _block(task: str, variant: str, score: Score, block: dict[str, list[float]]) -> Iterator[PairedComparison]:
    p_values = paired_p(block.values())
    measured = zip(block.items(), intervals(block.values()), p_values, holm(p_values), strict=True)
    for (other, d), interval, p, adjusted in measured:
        yield PairedComparison(task, variant, other, score, len(d), fmean(d), interval, p, adjusted)


def average_ranks(section: Section, score: Score) -> list[Rank]:
    """Return the methods by average rank over the tasks that all ran with a common seed; [] if there is none."""
    methods = sorted({row.method for row in section.rows})
    ranks = []
    for place in dict.fromkeys(row.place for row in section.rows):
        rows = {row.method: _by_seed(row, score) for row in section.rows if row.place == place}
        seeds = set.intersection(*(set(values) for values in rows.values()))
        if len(rows) == len(methods) and seeds:
            ranks.append(rankdata([-round(fmean(rows[m][s] for s in seeds), _DECIMALS) for m in methods]))
    if not ranks or len(methods) < 2:
        return []
    averages = [
        Rank(method, score, float(rank), len(ranks))
        for method, rank in zip(methods, np.mean(ranks, axis=0), strict=True)
    ]
    return sorted(averages, key=lambda rank: rank.rank)


def _name(row: Row) -> str:
    return row.runs[0].record.method


def _by_seed(row: Row, score: Score) -> dict[int, float]:
    return {run.record.seed: getattr(run.record, score)["value"] for run in row.runs}


def _differences(own: dict[int, float], other: dict[int, float]) -> list[float]:
    return [own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())]
