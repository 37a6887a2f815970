"""What the seeds of stored runs say: intervals, paired tests, ranks, and how fast a method converges.

Scores are fractions, and higher is better. Two methods are compared on the same task, setting and seeds only.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np
from scipy.stats import bootstrap, permutation_test, rankdata

from frod_bench.record import StoredRun
from frod_bench.report.summary import Row, Section, Spread

Score = Literal["best", "final"]

ALL_TASKS = "all tasks"
SHARES = (0.95, 0.99)  # of full fine-tuning's best
_DECIMALS = 12  # of a mean that is compared with others: sums that are equal can differ in the last bit
_EXACT_UP_TO = 16  # pairs; 2^16 sign changes are enumerated, beyond that so many are drawn
_RESAMPLES = 2**_EXACT_UP_TO - 1
_BOOTSTRAP_RESAMPLES = 9999


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
class Comparison:
    """`method` minus `baseline` over pairs: equal seeds on one task, or the task means of all tasks.

    `p` is two-sided, None for a single pair; `p_holm` is adjusted for the baselines tried on the same task.
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
    """The mean over tasks of a method's rank (1 is the best, ties share) among the methods that all ran there."""

    method: str
    score: Score
    rank: float
    tasks: int


@dataclass(frozen=True)
class Convergence:
    """What training took to reach `share` of full fine-tuning's best score of the same seed.

    `epochs`, `seconds` (of training, without evaluation) and `flops` are means over the `reached` of `seeds` seeds,
    None where no seed got there or it was not measured. An epoch counts when the evaluation after it is high enough.
    """

    task: str
    method: str
    share: float
    seeds: int
    reached: int
    epochs: float | None
    seconds: float | None
    flops: float | None


def interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the mean, None for fewer than two values.

    With few values it is narrow rather than safe: three seeds cannot say more than their own range.
    """
    values = np.asarray(list(values), dtype=float)
    if len(values) < 2:
        return None
    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=_BOOTSTRAP_RESAMPLES,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def paired_p(differences: Iterable[float]) -> float | None:
    """Return the two-sided p of the sign-flip permutation test of mean 0, None for fewer than two pairs.

    All 2^n sign changes are counted up to n = 16, so that p is at least 2^(1 - n); beyond that 65,535 are drawn.
    """
    differences = np.asarray(list(differences), dtype=float)
    if len(differences) < 2:
        return None
    exact = len(differences) <= _EXACT_UP_TO
    result = permutation_test(
        (differences,),
        lambda x, axis: np.round(np.mean(x, axis=axis), _DECIMALS),
        permutation_type="samples",
        vectorized=True,
        n_resamples=math.inf if exact else _RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(result.pvalue))


def holm(p_values: list[float | None]) -> list[float | None]:
    """Return the p values adjusted for their number (Holm 1979); None stays None and is not counted."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for number, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - number)))
        adjusted[place] = largest
    return adjusted


def estimates(section: Section, score: Score) -> list[Estimate]:
    """Return every method's score on every task with its bootstrap interval."""
    found = []
    for row in section.rows:
        values = list(_by_seed(row, score).values())
        found.append(Estimate(row.task, row.method, score, len(values), Spread.over(values), interval(values)))
    return found


def comparisons(section: Section, score: Score, method: str = "frod") -> list[Comparison]:
    """Return every variant of `method` against every other method: by task, then over the tasks both have.

    Over tasks, one pair is the difference of the task's means over the common seeds: tasks are the sample there.
    """
    own = list(dict.fromkeys(row.method for row in section.rows if _name(row) == method))
    others = list(dict.fromkeys(row.method for row in section.rows if _name(row) != method))
    table = {(row.task, row.method): _by_seed(row, score) for row in section.rows}
    tasks = list(dict.fromkeys(row.task for row in section.rows))
    found = []
    for variant in own:
        pairs = {
            (task, other): _differences(table[task, variant], table[task, other])
            for task in tasks
            for other in others
            if (task, variant) in table and (task, other) in table
        }
        means = {o: [fmean(d) for (_, other), d in pairs.items() if other == o and d] for o in others}
        if len(tasks) > 1:
            pairs |= {(ALL_TASKS, other): differences for other, differences in means.items()}
        for task in [*tasks, ALL_TASKS]:
            block = {o: d for (t, o), d in pairs.items() if t == task and d}
            p_values = [paired_p(differences) for differences in block.values()]
            for (other, d), p, adjusted in zip(block.items(), p_values, holm(p_values), strict=True):
                found.append(Comparison(task, variant, other, score, len(d), fmean(d), interval(d), p, adjusted))
    return found


def average_ranks(section: Section, score: Score) -> list[Rank]:
    """Return the methods by average rank over the tasks where all of them ran with a common seed; [] without one."""
    methods = sorted({row.method for row in section.rows})
    ranks = []
    for task in dict.fromkeys(row.task for row in section.rows):
        rows = {row.method: _by_seed(row, score) for row in section.rows if row.task == task}
        seeds = set.intersection(*(set(values) for values in rows.values()))
        if len(rows) == len(methods) and seeds:
            ranks.append(rankdata([-round(fmean(rows[m][s] for s in seeds), _DECIMALS) for m in methods]))
    if not ranks or len(methods) < 2:
        return []
    found = [
        Rank(method, score, float(rank), len(ranks))
        for method, rank in zip(methods, np.mean(ranks, axis=0), strict=True)
    ]
    return sorted(found, key=lambda rank: rank.rank)


def convergence(section: Section, target: str = "full_ft") -> list[Convergence]:
    """Return what every method took to reach each share of the best score of `target`; [] where it did not run.

    Of several variants of `target` the best one of a seed counts.
    """
    found = []
    for row in section.rows:
        goals: dict[int, float] = {}
        for other in section.rows:
            if other.task == row.task and _name(other) == target:
                for seed, best in _by_seed(other, "best").items():
                    goals[seed] = max(best, goals.get(seed, best))
        runs = [run for run in row.runs if run.record.seed in goals]
        for share in SHARES if runs else ():
            ways = [_way(run, share * goals[run.record.seed]) for run in runs]
            reached = [way for way in ways if way is not None]
            found.append(
                Convergence(
                    row.task,
                    row.method,
                    share,
                    len(runs),
                    len(reached),
                    *(_mean_of(reached, measure) for measure in (len, _sum("seconds"), _sum("flops"))),
                )
            )
    return found


def _way(run: StoredRun, goal: float) -> list[dict[str, Any]] | None:
    """Return the lines of metrics up to the first one that is good enough, None where there is none."""
    name = run.record.metric["name"]
    for number, line in enumerate(run.metrics, start=1):
        if (line.get("eval") or {}).get(name, -math.inf) >= goal:
            return run.metrics[:number]
    return None


def _sum(key: str) -> Callable[[list[dict[str, Any]]], float | None]:
    def total(lines: list[dict[str, Any]]) -> float | None:
        values = [line.get(key) for line in lines]
        return None if None in values else sum(values)

    return total


def _mean_of(ways: list[list[dict[str, Any]]], measure: Callable[[list[dict[str, Any]]], float | None]) -> float | None:
    values = [measure(way) for way in ways]
    return fmean(values) if values and None not in values else None


def _name(row: Row) -> str:
    return row.runs[0].record.method


def _by_seed(row: Row, score: Score) -> dict[int, float]:
    return {run.record.seed: getattr(run.record, score)["value"] for run in row.runs}


def _differences(own: dict[int, float], other: dict[int, float]) -> list[float]:
    return [own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())]
