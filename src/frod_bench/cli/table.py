"""`frod-bench table`: run the missing cells of a table, of the paper or another, then print it."""

import argparse
from dataclasses import replace

from frod_bench.cli.parser import command_parser
from frod_bench.cli.table_arguments import add_arguments, requested_table, runnable_cells
from frod_bench.cli.tune import run_search
from frod_bench.cli.tune_arguments import add_search_arguments, is_fair, requested_arms, requested_search
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.grid.missing import run_missing
from frod_bench.grid.tables import TableSpec, is_printed
from frod_bench.record import FoundRuns, find_records, output_root

_EXAMPLES = """\
examples:
  frod-bench table 4 --profile smoke --jobs 2        GLUE on random tiny models, a minute or two
  frod-bench table 4 --profile offline data.root=DIR --seeds 0 --methods frod,lora,full_ft --tasks rte,mrpc
  FROD_BENCH_OUT=results/runs frod-bench table 2     the paper's protocol: a GPU, and the hub's data
  frod-bench table figure6 --tasks dtd --seeds 0     one task of the ablation's whole grid: 64 runs
  frod-bench table methods --profile smoke           every method, the paper's and others, on four tasks
  frod-bench table 4 --profile offline protocol=fair data.root=DIR      trials for every method first, then the runs

A cell is one method on one task with one seed. Complete cells are not run again and a failed cell does not stop the
others, so the same command continues after an interruption; Ctrl-C or SIGTERM lets the running cell write a checkpoint
first. `frod-bench plan` estimates what a table costs.

A printed cell is `reproduced` when it differs from the paper by no more than the margin beside it: the sampling error
of the evaluation rows or, from three seeds on, the interval over seeds, whichever is larger. Runs with another
backbone, protocol or part of the data get no such verdict, and the table says so.
"""


def main(argv: list[str]) -> int:
    """Run the missing cells and print the table; return 1 when a cell failed, else 0. Raises RequestError."""
    arguments = _parser().parse_intermixed_args(argv)
    if arguments.jobs < 1:
        raise RequestError(f"--jobs {arguments.jobs} is not accepted: a whole number of 1 or more is.")
    table = requested_table(arguments)
    if is_fair(table, arguments.words):
        table, incomplete = _tuned_first(table, arguments)
        if incomplete:
            return 1
    cells, without = runnable_cells(table, arguments)
    for column, reason in without.items():
        show(f"{column} is left out, as it has no data here: {reason}")
    failed = run_missing([cell for cell in cells if cell.column not in without], arguments.jobs)
    from frod_bench.grid.paper import compare_with_paper  # scipy takes seconds to import
    from frod_bench.report import paper_tables, tables, tuning_tables
    from frod_bench.report.paired.tables import headlines_to_text
    from frod_bench.report.summary import summarise
    from frod_bench.report.table import to_text as table_to_text

    complete = {cell.identity for cell in cells if cell.completed()}
    found = find_records(output_root()) if complete else FoundRuns()  # in folders of their own or in archives
    summary = summarise([run for run in found.runs if run.record.identity in complete], found.trials)
    if is_printed(table.name):
        printed = map(paper_tables.to_text, compare_with_paper(table, cells, [output_root()], arguments.words))
        spent = [table_to_text(costs) + "\n" for section in summary.sections for costs in tuning_tables.costs(section)]
        verdicts = filter(None, map(headlines_to_text, summary.sections))
        show("\n" + "\n\n".join([*printed, *spent, *verdicts]), end="")
    elif complete:
        show("\n" + tables.to_text(summary), end="")
    if failed:
        show(f"\n{len(failed)} of {len(cells)} cells failed; the same command tries them again:")
        for cell, outcome in failed:
            show(f"  {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


def _tuned_first(table: TableSpec, arguments: argparse.Namespace) -> tuple[TableSpec, bool]:
    """Run the missing trials of the table; return the table of the columns with data, and whether a trial failed."""
    from frod_bench.grid.runnable import check_values, columns_without_data  # their libraries take seconds to import

    arms = requested_arms(table, arguments)
    cells = [cell for arm in arms for cell in arm.cells]
    check_values(cells)
    without = columns_without_data(cells)
    for column, reason in without.items():
        show(f"{column} is left out, as it has no data here: {reason}")
    kept = {label: task for label, task in table.columns.items() if label not in without}
    arms = [arm for arm in arms if arm.cells[0].column in kept]
    return replace(table, columns=kept), run_search(arms, requested_search(arguments), arguments.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench table",
        "Run the missing cells of a table, each in a process of its own, and print the table, beside the paper's"
        " numbers if it is one of the paper's. The exit code is 1 when a cell failed.",
        _EXAMPLES,
    )
    parser.add_argument("table", help="2, 3, 4, 5, methods, or the name of another table in configs/sweep/")
    add_arguments(parser)
    help_jobs = "cells to run at a time; each gets its share of the CPU threads and prints no progress (default: 1)"
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=help_jobs)
    add_search_arguments(parser)
    return parser
