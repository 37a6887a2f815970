"""Verdicts on pairs of methods: better, worse, equivalent or undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from frod_bench.report.holm import holm
from frod_bench.report.paired.difference import Difference, mean_over_tasks
from frod_bench.report.paired.estimate import Estimate
from frod_bench.report.paired.power import detectable, rows_needed, seeds_needed

LEVEL = 0.05
MARGIN = 0.01  # one point
Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Pair:
    """A method against a baseline on one task, or on the mean of several: `differences` has one for each task."""

    task: str
    method: str
    baseline: str
    differences: tuple[Difference, ...]

    @cached_property
    def estimate(self) -> Estimate:
        """The mean difference on these tasks."""
        return mean_over_tasks(list(self.differences))

    @property
    def p(self) -> float:
        """The two-sided p of no difference: of McNemar's exact test for the accuracy of one run each, else of t."""
        exact = self.differences[0].p_exact if len(self.differences) == 1 else None
        return self.estimate.p_of_no_difference() if exact is None else exact

    @property
    def seeds(self) -> int:
        """The seeds of each method, on the task that has the fewest."""
        return min(each.seeds for each in self.differences)

    @property
    def rows(self) -> int:
        """The rows of all tasks together."""
        return sum(each.rows for each in self.differences)

    @property
    def discordance(self) -> float:
        """The share of rows that only one of two runs gets right, as the mean over the tasks."""
        return sum(each.discordance for each in self.differences) / len(self.differences)


@dataclass(frozen=True)
class Judged:
    """A pair with its verdict.

    `p` and `p_equivalent` (of a difference as large as the margin) are adjusted for the number of baselines by Holm's
    method, each kind on its own. A method that is better by less than the margin is `better`.
    """

    pair: Pair
    p: float
    p_equivalent: float
    margin: float
    verdict: Verdict
    level: float
    baselines: int

    @property
    def _first_step(self) -> float:
        """The level of Holm's first step, at which power is computed."""
        return self.level / self.baselines

    @cached_property
    def detectable(self) -> float:
        """The smallest true difference that this design shows with probability 0.8."""
        return detectable(self.pair.differences, self._first_step)

    @cached_property
    def seeds_needed(self) -> int | None:
        """The seeds that would show a difference of the margin on these rows; see `power.seeds_needed`."""
        return seeds_needed(self.pair.differences, self.margin, self._first_step)

    @cached_property
    def rows_needed(self) -> float | None:
        """The same for rows, as a multiple of those there are; see `power.rows_needed`."""
        return rows_needed(self.pair.differences, self.margin, self._first_step)


def judge(block: Sequence[Pair], margin: float = MARGIN, level: float = LEVEL) -> list[Judged]:
    """Return the verdicts on one method against its baselines on one task; p is adjusted for their number."""
    differ = holm([pair.p for pair in block])
    agree = holm([pair.estimate.p_of_relevance(margin) for pair in block])
    return [
        Judged(pair, p, q, margin, _verdict(pair.estimate.value, p < level, q < level), level, len(block))
        for pair, p, q in zip(block, differ, agree, strict=True)
    ]


def over_sampled_tasks(differences: Sequence[Difference]) -> Estimate | None:
    """Return the mean difference when the tasks, too, are a sample of those that could have been chosen.

    By the spread of the tasks' differences with Student's t, and never narrower than on these very tasks. None for a
    single task.
    """
    tasks = len(differences)
    if tasks < 2:
        return None
    fixed = mean_over_tasks(list(differences))
    spread = sum((each.value - fixed.value) ** 2 for each in differences) / (tasks - 1)
    return Estimate(fixed.value, max(spread / tasks, fixed.variance), tasks - 1)


def _verdict(value: float, differs: bool, agrees: bool) -> Verdict:
    if differs:
        return "better" if value > 0 else "worse"
    return "equivalent" if agrees else "undecided"
