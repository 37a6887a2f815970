"""Whether FRoD comes to full fine-tuning's level sooner than other methods, pair by pair of runs with tuned rates."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from math import exp, inf, log
from statistics import fmean, variance
from typing import NamedTuple

from scipy.stats import binomtest

from frod_bench.report.convergence import Spent, costs_to_reach, goals_of
from frod_bench.report.paired.estimate import Estimate
from frod_bench.report.paired.power import detectable_share
from frod_bench.report.paired.words import points
from frod_bench.report.summary import Place, Row, Section
from frod_bench.report.table import Column, Table, percent

_ALL = "all tasks"
_UNITS = ("epochs", "seconds", "flops")  # of `Spent`
_COLUMNS = (
    *(Column(name, align="left") for name in ("task", "method", "baseline", "unit")),
    *(Column(name) for name in ("pairs", "first", "last")),
    *(Column(name, percent) for name in ("share first", "low", "high", "shows")),
    *(Column(name, "{:.2f}".format) for name in ("cost ratio", "ratio low", "ratio high")),
)


class _Pair(NamedTuple):
    """What two runs of one task and seed spent to reach the level, infinite for one that never did."""

    task: str
    own: float
    other: float


def sooner(section: Section, margin: float) -> Table:
    """Return FRoD against every other method on the way to full fine-tuning's best score minus the margin, a fraction.

    Without rows unless the rates were tuned: with others, the rates decide who is first.
    """
    rows = list(_rows(section, margin)) if section.setting.protocol == "fair" else []
    note = (
        f"To the first epoch within {points(margin)} of full fine-tuning's best score of the same seed, on held-out"
        " rows. A pair is one task and seed; first, last: FRoD is there before the other, or after it or never; in the"
        " remaining pairs both are there at the same cost, or neither is. share first: of the pairs in which one is"
        " first, percent, with its exact 95 % interval (50 is no difference); shows: the smallest true share that so"
        " many pairs find with probability 0.8. Pairs of one task are not independent, so these are too narrow. cost"
        " ratio: FRoD's over the other's where both are there, the geometric mean with Student's 95 % interval, over"
        " tasks if there are several, else over seeds. seconds: of training, on a machine that may have been shared."
    )
    return Table(_COLUMNS, rows, "Sooner or later", (note,), "sooner")


def _rows(section: Section, margin: float) -> Iterator[tuple]:
    spent = _spent(section, margin)
    methods = list(dict.fromkeys(row.method for row in section.rows))
    names = {row.method: row.runs[0].record.method for row in section.rows}
    for own, other in product(methods, methods):
        if names[own] != "frod" or names[other] == "frod":
            continue
        for unit in _UNITS:
            pairs = list(_pairs(spent, own, other, unit))
            tasks = list(dict.fromkeys(pair.task for pair in pairs))
            for task in [*tasks, *([_ALL] if len(tasks) > 1 else [])]:
                chosen = [pair for pair in pairs if task in (_ALL, pair.task)]
                yield (task, own, other, unit, len(chosen), *_shares(chosen), *_ratio(chosen))


def _spent(section: Section, margin: float) -> dict[str, dict[tuple[Place, int], Spent | None]]:
    """Return what every run spent to reach the level of its place and seed, by method."""
    goals = goals_of(section)
    found: dict[str, dict[tuple[Place, int], Spent | None]] = defaultdict(dict)
    for row in section.rows:
        for seed, spent in _of_row(row, goals.get(row.place, {}), margin):
            found[row.method][row.place, seed] = spent
    return found


def _of_row(row: Row, goals: dict[int, float], margin: float) -> Iterator[tuple[int, Spent | None]]:
    for run in row.runs:
        if (goal := goals.get(run.record.seed)) is not None:
            yield run.record.seed, costs_to_reach(run, [goal - margin])[0]


def _pairs(spent: dict[str, dict[tuple[Place, int], Spent | None]], own: str, other: str, unit: str) -> Iterator[_Pair]:
    """Yield the pairs of two methods whose cost was measured in that unit."""
    for place, cost in spent[own].items():
        if place in spent[other]:
            both = [inf if each is None else getattr(each, unit) for each in (cost, spent[other][place])]
            if None not in both:
                yield _Pair(place[0].task, *both)


def _shares(pairs: list[_Pair]) -> tuple:
    first, last = sum(pair.own < pair.other for pair in pairs), sum(pair.own > pair.other for pair in pairs)
    if not first + last:
        return first, last, None, None, None, None
    interval = binomtest(first, first + last).proportion_ci(0.95)
    return first, last, first / (first + last), interval.low, interval.high, detectable_share(first + last)


def _ratio(pairs: list[_Pair]) -> tuple[float | None, float | None, float | None]:
    logs: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        if max(pair.own, pair.other) < inf and min(pair.own, pair.other) > 0:
            logs[pair.task].append(log(pair.own / pair.other))
    units = [fmean(own) for own in logs.values()] if len(logs) > 1 else [each for own in logs.values() for each in own]
    if len(units) < 2:
        return (exp(units[0]) if units else None), None, None
    low, high = Estimate(fmean(units), variance(units) / len(units), len(units) - 1).interval()
    return exp(fmean(units)), exp(low), exp(high)
