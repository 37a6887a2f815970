"""The cost of training up to a share of full fine-tuning's best score."""

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from frod_bench.record import StoredRun
from frod_bench.report.epoch_scores import epoch_score
from frod_bench.report.summary import Place, Row, Section

SHARES = (0.95, 0.99)  # of full fine-tuning's best


@dataclass(frozen=True)
class Convergence:
    """The cost of training up to `share` of full fine-tuning's best score with the same seed.

    `epochs`, `seconds` (of training, without evaluation) and `flops` are means over the `reached` of `seeds` seeds,
    None where no seed reached it or where it was not measured.
    """

    task: str
    method: str
    share: float
    seeds: int
    reached: int
    epochs: float | None
    seconds: float | None
    flops: float | None


def convergence(section: Section, target: str = "full_ft") -> list[Convergence]:
    """Return the cost of every method to reach each share of the best score of `target`; [] if `target` did not run.

    With several variants of `target`, the best one of each seed is the goal.
    """
    goals = goals_of(section, target)
    rows = []
    for row in section.rows:
        own = goals.get(row.place, {})
        runs = [run for run in row.runs if run.record.seed in own]
        costs = [costs_to_reach(run, [share * own[run.record.seed] for share in SHARES]) for run in runs]
        for share, of_share in zip(SHARES, zip(*costs, strict=True), strict=False):
            reached = [cost for cost in of_share if cost is not None]
            means = [None if None in part else fmean(part) for part in zip(*reached, strict=True)] or [None] * 3
            rows.append(Convergence(row.task, row.method, share, len(runs), len(reached), *means))
    return rows


def goals_of(section: Section, target: str = "full_ft") -> dict[Place, dict[int, float]]:
    """Return the best score of `target` by seed, for every place where it ran."""
    goals: dict[Place, dict[int, float]] = defaultdict(dict)
    for row in section.rows:
        if row.runs[0].record.method == target:
            own = goals[row.place]
            for seed, best in _best_of_curves(row).items():
                own[seed] = max(best, own.get(seed, best))
    return dict(goals)


class Spent(NamedTuple):
    """What training took up to an epoch; None for what a run did not measure."""

    epochs: int
    seconds: float | None
    flops: float | None


def costs_to_reach(run: StoredRun, goals: list[float]) -> list[Spent | None]:
    """Return the cost to reach each goal for the first time, None for a goal that the run never reaches."""
    cost = Spent(0, 0.0, 0.0)
    costs: list[Spent | None] = [None] * len(goals)
    for line in run.metrics:
        cost = Spent(cost.epochs + 1, _plus(cost.seconds, line.get("seconds")), _plus(cost.flops, line.get("flops")))
        score = epoch_score(run, line)
        there = -math.inf if score is None else score
        costs = [earlier or (cost if there >= goal else None) for earlier, goal in zip(costs, goals, strict=True)]
        if None not in costs:
            break
    return costs


def _plus(total: float | None, value: float | None) -> float | None:
    return None if total is None or value is None else total + value


def _best_of_curves(row: Row) -> dict[int, float]:
    """Return the best score by seed; with tuned rates on the held-out rows, as every epoch has been judged there."""
    if row.runs[0].record.protocol != "fair":
        return {run.record.seed: (run.record.best or {})["value"] for run in row.runs}
    curves = {run.record.seed: [epoch_score(run, line) for line in run.metrics] for run in row.runs}
    known = {seed: [score for score in curve if score is not None] for seed, curve in curves.items()}
    return {seed: max(scores) for seed, scores in known.items() if scores}
