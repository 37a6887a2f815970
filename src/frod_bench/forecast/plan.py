"""Forecast the runs of a table by row and column: disk, hours and memory."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tqdm import tqdm

from frod_bench.forecast.cost import Cost, cost, count_rows, row_length
from frod_bench.forecast.device import Device
from frod_bench.forecast.facts import plan_facts
from frod_bench.forecast.memory import footprint
from frod_bench.record import RunRecord
from frod_bench.train.memory_model import MemoryUse, Unpredictable

_GIB = 2**30


class PlannedRun(NamedTuple):
    """A run of a table, with its record if it is complete."""

    row: str
    column: str
    config: dict[str, Any]
    record: RunRecord | None


class CompleteRun(NamedTuple):
    """A run of a table that is complete."""

    column: str
    config: dict[str, Any]
    record: RunRecord


@dataclass(frozen=True)
class PlanLine:
    """One cell of the table, over its seeds."""

    row: str
    column: str
    config: dict[str, Any]
    done: int
    missing: int
    cost: Cost
    hours: float  # of one run

    @property
    def hours_left(self) -> float:
        return self.missing * self.hours

    @property
    def disk_left(self) -> int:
        """In bytes."""
        return self.missing * self.cost.disk_bytes


def plan_lines(runs: list[PlannedRun], device: Device) -> tuple[list[PlanLine], list[str]]:
    """Return a line for each row and column, and where the counts of data rows come from.

    Raises RequestError when a column has no data.
    """
    done = complete_runs(runs)
    rows = {run.column: (run.record.samples, "an earlier run") for run in done}
    rows |= {column: count_rows(config) for column, config in _config_of_column(runs).items() if column not in rows}
    groups: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault((run.row, run.column), []).append(run)
    lines = [_line(group, done, rows[column][0], device) for (_, column), group in groups.items()]
    return lines, sorted({origin for _, origin in rows.values()})


def free_disk(root: Path) -> int:
    """Return the bytes that are free where the folder `root` is, or will be."""
    place = root.absolute()
    return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free


def complete_runs(runs: Iterable[PlannedRun]) -> list[CompleteRun]:
    """Return those of the runs that have a record."""
    return [CompleteRun(run.column, run.config, run.record) for run in runs if run.record is not None]


def plan_memory(lines: Iterable[PlanLine]) -> tuple[list[tuple[PlanLine, MemoryUse]], list[str]]:
    """Return, for each row of the table, the memory of its column with the longest data rows.

    Also returns why the memory of other rows cannot be predicted.
    """
    longest: dict[str, PlanLine] = {}
    for line in lines:
        longest[line.row] = max(longest.get(line.row, line), line, key=lambda one: row_length(one.config, 16))
    bar = tqdm(longest.values(), "memory", leave=False, disable=not sys.stderr.isatty())
    found, reasons = [], []
    for line in bar:
        try:
            found.append((line, footprint(line.config)))
        except Unpredictable as error:
            reasons.append(f"{line.row}: {error}")
    return found, reasons


def what_does_not_fit(
    memory: list[tuple[PlanLine, MemoryUse]], disk_bytes: int, device: Device, root: Path
) -> list[str]:
    """Return a sentence for each row that exceeds the device's memory, and one if `root` has too little disk left."""
    found = []
    for line, use in memory:
        if use.peak > device.memory_bytes:
            found.append(
                f"{line.row} needs about {use.peak / _GIB:.0f} GiB and {device.name} has"
                f" {device.memory_bytes / _GIB:.0f}. Try train.gradient_accumulation_steps=, a smaller"
                " backbone.dtype or another device."
            )
    if disk_bytes > (free := free_disk(root)):
        found.append(f"The adapters need {disk_bytes / _GIB:.1f} GiB below {root}, where {free / _GIB:.1f} are free.")
    return found


def _config_of_column(runs: list[PlannedRun]) -> dict[str, dict[str, Any]]:
    return {run.column: run.config for run in runs}


def _line(group: list[PlannedRun], done: list[CompleteRun], samples: dict[str, int], device: Device) -> PlanLine:
    first, own = group[0], sum(run.record is not None for run in group)
    one = cost(first.config, samples)
    hours = hours_of(one, first.config, done, device)
    return PlanLine(first.row, first.column, first.config, own, len(group) - own, one, hours)


def hours_of(one: Cost, config: dict[str, Any], done: Sequence[CompleteRun], device: Device) -> float:
    """Return the hours of one run, at the rate of the most similar runs that are done here, else at the device's."""
    done = [run for run in done if run.record.environment["device"] == device.name]
    method, task = config["method"]["name"], config["task"]["name"]
    alike = [run for run in done if (run.record.method, run.record.task) == (method, task)]
    alike = alike or [run for run in done if run.record.method == method] or done
    if not alike:
        return one.flop / (device.rate[one.half] * plan_facts()["utilisation"]) / 3600
    rate = median(
        cost(run.config, run.record.samples).flop / (run.record.time["train_s"] + run.record.time["eval_s"])
        for run in alike
    )
    return (one.flop / rate + median(run.record.time["init_s"] for run in alike)) / 3600
