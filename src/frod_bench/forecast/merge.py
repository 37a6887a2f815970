"""Forecast merges: how often models are scored, hours, disk and memory, before anything is merged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.instantiate import build_method
from frod_bench.forecast.cost import Cost, count_rows, evaluation_flop
from frod_bench.forecast.device import Device
from frod_bench.forecast.memory import footprint
from frod_bench.forecast.plan import CompleteRun, PlannedRun, hours_of
from frod_bench.merging.algorithms import HOWS
from frod_bench.train.trainer import HOLDOUT

_WEIGHT, _UPDATE = 4, 8  # bytes of a weight, and of the entry of an update, which is in float64
_SCALED = 40  # bytes per entry of a layer whose merged weight is made: base, update, scaled update, sum, result


@dataclass(frozen=True)
class MergePlan:
    """What merging the runs of one method and seed costs, for one way to merge.

    `evaluations` is the number of times that a model scores the rows of a task. `disk_bytes` are needed while it works,
    `kept_bytes` of them stay. `memory_bytes` is the larger of one model and of one layer of every run.
    """

    method: str
    how: str
    evaluations: int
    hours: float
    disk_bytes: int
    kept_bytes: int
    memory_bytes: int


def plan_merge(
    runs: Sequence[PlannedRun], done: Sequence[CompleteRun], how: str, scales: int, draws: int, device: Device
) -> MergePlan:
    """Return the plan for merging these runs, one per task, with so many scales to choose from and draws.

    Hours are those of scoring, at the rate of the runs that are `done`; reading and writing weights comes on top.
    Raises RequestError where there is no data.
    """
    way = HOWS[how]
    hours, evaluations = 0.0, 0
    for run in runs:
        samples = run.record.samples if run.record is not None else count_rows(run.config)[0]
        scored = [samples["eval"]] * draws + ([scales * samples[HOLDOUT]] if scales > 1 else [])
        evaluations += draws + (scales if scales > 1 else 0)
        half = run.config["train"]["precision"] != "no"
        costs = [Cost(evaluation_flop(run.config, rows), 0, half) for rows in scored]
        hours += sum(hours_of(cost, run.config, done, device) for cost in costs)
    changed, largest = _changed(runs[0].config)
    model = footprint(runs[0].config).attaching + _SCALED * largest  # the tasks differ by their heads alone
    updates = min(draws, 2)  # the first draw's, and that of the draw that is scored
    kept = _WEIGHT * changed
    work = _WEIGHT * (_parameters(runs[0].config) + len(runs) * changed) + updates * _UPDATE * changed
    layer = way.entry_bytes(len(runs)) * largest
    return MergePlan(runs[0].row, how, evaluations, hours, work + kept, kept, max(model, layer))


def _changed(config: dict[str, Any]) -> tuple[int, int]:
    """Return how many weights a run of this configuration changes outside the head, and those of the largest tensor."""
    backbone, architecture = config["backbone"], Architecture.of(config["backbone"])
    shapes = architecture.target_shapes(backbone["targets"])
    largest = max(m * n for m, n in shapes)
    if "backbone" not in build_method(config["method"]).roles:
        return architecture.layers * sum(m * n for m, n in shapes), largest
    embedding = architecture.values.get("vocab_size", 0) * architecture.hidden
    return _parameters(config), max(largest, embedding)


def _parameters(config: dict[str, Any]) -> int:
    return config["backbone"]["facts"]["parameters"]
