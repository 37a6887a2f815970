"""Tune the learning rates of a table's cells: equal trials for every method, scored on held-out training rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from frod_bench.config.tuned import TunedRates, tuned_file, tuned_settings
from frod_bench.errors import RequestError
from frod_bench.grid.cells import Cell, compose_cells
from frod_bench.grid.missing import run_missing
from frod_bench.grid.search import Point, Search, Tried, best_of, end_of_grid
from frod_bench.grid.tables import TableSpec
from frod_bench.record import RunRecord
from frod_bench.runs.complete import ended_record
from frod_bench.runs.fresh_process import Outcome

TRIAL_SEED = "1000"  # a seed that no table uses

# {label of a row or name of a method: {role: factors}}
Axes = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Trial(Cell):
    """A cell with trial rates, which reads no evaluation rows."""

    point: Point = field(kw_only=True)

    def __str__(self) -> str:
        return f"{super().__str__()}, rates {self.point}"

    def completed(self) -> RunRecord | None:
        """Return the record of this trial if there is a result, which may be that it diverged."""
        return None if self.config["force"] else ended_record(self.directory, self.identity)


@dataclass
class Arm:
    """One row on one task, whose rates are tuned by themselves: its cells with the recipe's rates, one per seed."""

    cells: list[Cell]
    axis: Mapping[str, Sequence[float]]
    trials: list[tuple[Point, list[Trial]]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.cells[0].row} on {self.cells[0].column}"

    def add(self, points: Sequence[Point]) -> list[Trial]:
        """Return the trials of more points, one per seed."""
        own = [(point, [_trial(cell, point) for cell in self.cells]) for point in points]
        self.trials += own
        return [trial for _, trials in own for trial in trials]

    def tried(self) -> list[Tried]:
        """Return every point with its mean score over the seeds. All trials must have a result."""
        return [Tried(point, fmean(_score(trial.completed()) for trial in trials)) for point, trials in self.trials]


def compose_arms(table: TableSpec, profile: str, seeds: str, overrides: list[str], axes: Axes) -> list[Arm]:
    """Return what has to be tuned for a table's cells. Raises RequestError as `compose_cells` does, and for a rate."""
    if typed := next((word for word in overrides if word.startswith("train.lr.")), None):
        raise RequestError(f"{typed} is not accepted: a search sets the rates, as multiples of the recipe's.")
    words = [word for word in overrides if not word.startswith("protocol=")]
    cells = compose_cells(table, profile, seeds, [*words, "protocol=fair", "evaluation=never"])
    by_place: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_place.setdefault((cell.row, cell.column), []).append(cell)
    return [Arm(own, _axis_of(own[0], axes)) for own in by_place.values()]


def tune(arms: list[Arm], search: Search, jobs: int) -> list[tuple[Cell, Outcome]]:
    """Run what is missing of the trials, `jobs` at a time, and write the tuned rates; return the failed trials.

    A trial that diverges is a result. With any other failure, the arm stays untuned and the same command goes on.
    """
    failed: list[tuple[Cell, Outcome]] = []
    while True:
        asked = [trial for arm in arms for trial in arm.add(search.ask(arm.tried(), arm.axis))]
        if not asked:
            break
        outcomes = run_missing(asked, jobs)
        failed += [(cell, outcome) for cell, outcome in outcomes if cell.completed() is None]
        if failed:
            lost = {(cell.row, cell.column) for cell, _ in failed}
            arms = [arm for arm in arms if (arm.cells[0].row, arm.cells[0].column) not in lost]
    for arm in arms:
        result = tuned_rates(arm, search)
        if result is not None:
            result.save(tuned_file(arm.cells[0].config))
    return failed


def tuned_rates(arm: Arm, search: Search) -> TunedRates | None:
    """Return the result of an arm whose trials have all ended; None if all of them diverged."""
    tried, config = arm.tried(), arm.cells[0].config
    best = best_of(tried)
    if best.score == -math.inf:
        return None
    chosen = tried.index(best)
    record = next(r for trial in arm.trials[chosen][1] if (r := trial.completed()) is not None)
    return TunedRates(
        method=config["method"]["name"],
        task=config["task"]["name"],
        settings=tuned_settings(config),
        search=search.name,
        metric=f"holdout_{record.metric['name']}",
        seeds=[cell.config["seed"] for cell in arm.cells],
        samples=record.samples,
        lr=best.point.rates(config["train"]["lr"]),
        chosen=chosen,
        at_end=end_of_grid(tried),
        trials=[_described(*trial, score.score) for trial, score in zip(arm.trials, tried, strict=True)],
    )


def _described(point: Point, trials: list[Trial], score: float) -> dict[str, Any]:
    records = [record for trial in trials if (record := trial.completed()) is not None]
    seconds = [record.time.get(part, 0.0) for record in records for part in ("init_s", "train_s", "eval_s")]
    return {
        "multiplier": point.multiplier,
        "factors": dict(point.factors),
        "lr": trials[0].config["train"]["lr"],
        "score": None if score == -math.inf else score,
        "hours": sum(seconds) / 3600,
        "runs": [trial.identity for trial in trials],
    }


def _trial(cell: Cell, point: Point) -> Trial:
    train = cell.config["train"] | {"lr": point.rates(cell.config["train"]["lr"])}
    return Trial(cell.row, cell.column, cell.config | {"train": train}, point=point)


def _score(record: RunRecord | None) -> float:
    if record is None or record.status != "completed":
        return -math.inf
    return record.objective if record.metric["higher_is_better"] else -record.objective


def _axis_of(cell: Cell, axes: Axes) -> Mapping[str, Sequence[float]]:
    return axes.get(cell.row) or axes.get(cell.config["method"]["name"]) or {}
