"""`frod-bench table`: run the missing cells of a table, the paper's or another, then print it."""

import argparse

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import read_summary
from frod_bench.cli.table_arguments import add_arguments, requested_table, runnable_cells
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.grid.missing import run_missing
from frod_bench.grid.tables import is_printed
from frod_bench.record import output_root
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
    table = requested_table(arguments)
    cells, without = runnable_cells(table, arguments)
    for column, reason in without.items():
        show(f"{column} is left out, as it has no data here: {reason}")
    failed = run_missing([cell for cell in cells if cell.column not in without], arguments.jobs)
    from frod_bench.grid.paper import compare_with_paper  # scipy takes a second

    if is_printed(table.name):
        printed = map(paper_tables.to_text, compare_with_paper(table, cells, [output_root()], arguments.words))
        show("\n" + "\n\n".join(printed), end="")
    elif complete := [cell.directory for cell in cells if cell.completed()]:
        show("\n" + tables.to_text(read_summary(complete)), end="")
    if failed:
        show(f"\n{len(failed)} of {len(cells)} cells failed; the same command tries them again:")
        for cell, outcome in failed:
            show(f"  {cell}: {outcome.reason} (exit code {outcome.code})")
    return 1 if failed else 0


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
