"""`frod-bench table`: run the missing cells of a table, the paper's or another, then print it."""

import argparse
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from frod_bench.cli.cells import Cell, add_arguments, restricted, runnable_cells
from frod_bench.cli.fresh import FreshProcesses, Outcome
from frod_bench.cli.identity import output_root
from frod_bench.cli.paper_table import compare_with_paper, is_printed
from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import read_summary
from frod_bench.errors import Interrupted, RequestError
from frod_bench.report import paper_tables, tables

_EXAMPLES = """\
examples:
  frod-bench table 4 --profile smoke --jobs 2        GLUE on random tiny models, a minute or two
  frod-bench table 4 --profile offline data.root=DIR --seeds 0 --methods frod,lora,full_ft --tasks rte,mrpc
  FROD_BENCH_OUT=results/runs frod-bench table 2     the paper's protocol: a GPU, and the hub's data
  frod-bench table figure6 --tasks dtd --seeds 0     a column of the ablation's whole grid: 64 runs
  frod-bench table methods --profile smoke           every method there is, the paper's and others, on four tasks

A cell is one method on one task with one seed. What is complete is not run again, so the same command goes on after
an interruption; `frod-bench plan` says beforehand what a table costs.
"""


def main(argv: list[str]) -> int:
    """Run what is missing, print the table and return 0, or 1 when a cell failed. Raises RequestError."""
    arguments = _parser().parse_intermixed_args(argv)
    if arguments.jobs < 1:
        raise RequestError(f"--jobs {arguments.jobs} is not accepted: a whole number of 1 or more is.")
    preset = restricted(arguments)
    cells, without = runnable_cells(preset, arguments)
    for column, reason in without.items():
        print(f"{column} is left out, as it has no data here: {reason}")
    failed = _run_missing([cell for cell in cells if cell.column not in without], arguments.jobs)
    if is_printed(preset.name):
        printed = map(paper_tables.to_text, compare_with_paper(preset, cells, [output_root()], arguments.words))
        print("\n" + "\n\n".join(printed), end="")
    elif complete := [cell.directory for cell in cells if cell.completed()]:
        print("\n" + tables.to_text(read_summary(complete)), end="")
    if failed:
        print(f"\n{len(failed)} of {len(cells)} cells failed; the same command tries them again:")
        for cell, outcome in failed:
            print(f"  {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


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


def _run_missing(cells: list[Cell], jobs: int) -> list[tuple[Cell, Outcome]]:
    """Run the cells that are not complete, `jobs` at a time, past those that fail; return the failed ones."""
    pace, missing = Pace(), []
    for cell in cells:
        if (record := cell.completed()) is None:
            missing.append(cell)
        else:
            pace.add(cell, sum(record.time[part] for part in ("init_s", "train_s", "eval_s")))
    complete = len(cells) - len(missing)
    print(f"{'1 cell' if len(cells) == 1 else f'{len(cells)} cells'}, {complete} of them complete already", flush=True)
    if not missing:
        return []
    failed: list[tuple[Cell, Outcome]] = []
    begun: dict[int, float] = {}
    ended: set[int] = set()

    def announced() -> Iterator[dict[str, Any]]:
        for number, cell in enumerate(missing):
            left = pace.left([other for place, other in enumerate(missing) if place not in ended])
            about = "" if left is None else f"; about {_duration(left / jobs)} left"
            print(f"cell {complete + number + 1} of {len(cells)}: {cell}{about}", flush=True)
            begun[number] = time.perf_counter()
            yield cell.config

    processes = FreshProcesses(cell.config for cell in missing)
    with contextlib.closing(processes.run(announced(), jobs)) as outcomes:
        for number, outcome in outcomes:
            cell, seconds = missing[number], time.perf_counter() - begun[number]
            ended.add(number)
            if outcome.code > 128:  # a signal to the run alone
                raise Interrupted(outcome.reason, outcome.code - 128)
            if outcome.code:
                print(f"failed: {f'{cell}: ' if jobs > 1 else ''}{outcome.reason}", flush=True)
                failed.append((cell, outcome))
            else:
                pace.add(cell, seconds)
                if jobs > 1:
                    print(f"done: {cell}, in {_duration(seconds)}", flush=True)
    return failed


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench table",
        "Run the missing cells of a table, each in a process of its own, and print it, beside the paper's numbers"
        " if it is one of the paper's. Exit code 1 says that a cell failed.",
        _EXAMPLES,
    )
    parser.add_argument("table", help="2, 3, 4, 5, methods or the name of another file with rows in configs/sweep/")
    add_arguments(parser)
    help_jobs = "cells at a time, each with its share of the CPU's threads and without lines of its own (default: 1)"
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=help_jobs)
    return parser
