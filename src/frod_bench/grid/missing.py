"""Running the cells of a table that are missing, each in a fresh process, with an estimate of the time left."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from frod_bench.console import show
from frod_bench.errors import Interrupted
from frod_bench.grid.cells import Cell
from frod_bench.runs.fresh_process import FreshProcesses, Outcome


class Pace:
    """How long the cells that are left will take, by those of the same task that are done, else by all."""

    def __init__(self):
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float) -> None:
        """Take note of a cell that is done."""
        self._seconds[cell.column].append(seconds)

    def left(self, cells: list[Cell]) -> float | None:
        """Return the seconds that `cells` will take, None before the first is done."""
        if not self._seconds:
            return None
        overall = fmean(s for seconds in self._seconds.values() for s in seconds)
        return sum(fmean(self._seconds[cell.column]) if cell.column in self._seconds else overall for cell in cells)


def run_missing(cells: list[Cell], jobs: int) -> list[tuple[Cell, Outcome]]:
    """Run the cells that are not complete, `jobs` at a time, past those that fail; return the failed ones."""
    pace, missing = Pace(), []
    for cell in cells:
        if (record := cell.completed()) is None:
            missing.append(cell)
        else:
            pace.add(cell, sum(record.time[part] for part in ("init_s", "train_s", "eval_s")))
    complete = len(cells) - len(missing)
    show(f"{'1 cell' if len(cells) == 1 else f'{len(cells)} cells'}, {complete} of them complete already")
    if not missing:
        return []
    failed: list[tuple[Cell, Outcome]] = []
    begun: dict[int, float] = {}
    ended: set[int] = set()

    def announced() -> Iterator[dict[str, Any]]:
        for number, cell in enumerate(missing):
            left = pace.left([other for place, other in enumerate(missing) if place not in ended])
            about = "" if left is None else f"; about {_duration(left / jobs)} left"
            show(f"cell {complete + number + 1} of {len(cells)}: {cell}{about}")
            begun[number] = time.perf_counter()
            yield cell.config

    from frod_bench.forecast.advised_run import run_advised  # torch takes seconds

    processes = FreshProcesses(run_advised, [cell.config for cell in missing])
    with contextlib.closing(processes.run(announced(), jobs)) as outcomes:
        for number, outcome in outcomes:
            cell, seconds = missing[number], time.perf_counter() - begun[number]
            ended.add(number)
            if outcome.code > 128:  # a signal to the run alone
                raise Interrupted(outcome.reason, outcome.code - 128)
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
