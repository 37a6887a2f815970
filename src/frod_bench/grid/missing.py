"""Running the missing cells of a table, each in a fresh process, with an estimate of the time left."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from frod_bench.console import show
from frod_bench.errors import Interrupted
from frod_bench.grid.cells import Cell
from frod_bench.runs.fresh_process import FreshProcesses, Outcome


class Pace:
    """Estimates the time left from the cells that are done: those on the same task where there are any, else all."""

    def __init__(self):
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float) -> None:
        """Count the seconds of a cell that is done."""
        self._seconds[cell.column].append(seconds)

    def left(self, cells: list[Cell]) -> float | None:
        """Return the seconds that `cells` will take, None before the first is done."""
        if not self._seconds:
            return None
        overall = fmean(s for seconds in self._seconds.values() for s in seconds)
        return sum(fmean(self._seconds[cell.column]) if cell.column in self._seconds else overall for cell in cells)


def run_missing(cells: Sequence[Cell], jobs: int) -> list[tuple[Cell, Outcome]]:
    """Run the cells that are not complete, `jobs` at a time, and go on after failures; return the failed cells."""
    pace, missing = Pace(), []
    for cell in cells:
        if (record := cell.completed()) is None:
            missing.append(cell)
        else:
            pace.add(cell, sum(record.time.get(part, 0.0) for part in ("init_s", "train_s", "eval_s")))
    complete = len(cells) - len(missing)
    show(f"{'1 cell' if len(cells) == 1 else f'{len(cells)} cells'}, {complete} of them complete already")
    if not missing:
        return []
    failed: list[tuple[Cell, Outcome]] = []
    started: dict[int, float] = {}
    finished: set[int] = set()

    def announced_configs() -> Iterator[dict[str, Any]]:
        for number, cell in enumerate(missing):
            left = pace.left([other for place, other in enumerate(missing) if place not in finished])
            about = "" if left is None else f"; about {_duration(left / jobs)} left"
            show(f"cell {complete + number + 1} of {len(cells)}: {cell}{about}")
            started[number] = time.perf_counter()
            yield cell.config

    from frod_bench.forecast.advised_run import run_advised  # torch takes seconds

    processes = FreshProcesses(run_advised, [cell.config for cell in missing])
    with contextlib.closing(processes.run(announced_configs(), jobs)) as outcomes:
        for number, outcome in outcomes:
            cell, seconds = missing[number], time.perf_counter() - started[number]
            finished.add(number)
            if outcome.code > 128:  # the run alone was stopped by a signal
                raise Interrupted(outcome.reason or "", outcome.code - 128)
            if outcome.code:
                show(f"failed: {f'{cell}: ' if jobs > 1 else ''}{outcome.reason}")
                failed.append((cell, outcome))
            else:
                pace.add(cell, seconds)
                if jobs > 1:
                    show(f"done: {cell}, in {_duration(seconds)}")
    return failed


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
