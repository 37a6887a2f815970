"""The arguments that all commands about tables share, and the cells they select."""

import argparse

from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.grid.cells import Cell, compose_cells
from frod_bench.grid.tables import TableSpec, load_table
from frod_bench.record import output_root


def add_arguments(parser: argparse.ArgumentParser, folders: bool = False) -> None:
    """Add the arguments; with `folders`, folders of runs are accepted among the overrides."""
    add = parser.add_argument
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--seeds", metavar="0,1,…", help="seeds (default: those in configs/sweep/TABLE.yaml)")
    add("--methods", metavar="M,…", help="only these methods, by the name of the row or as in method=")
    add("--tasks", metavar="T,…", help="only these tasks, by the name of the column or as in task=")
    overrides = "overrides for every cell, such as data.root=DIR train.epochs=2"
    if folders:
        where = f"folders to search for runs (default: {output_root()}); {overrides}"
        add("words", nargs="*", default=[], type=current_override, metavar="FOLDER|OVERRIDE", help=where)
    else:
        add("words", nargs="*", default=[], type=current_override, metavar="OVERRIDE", help=overrides)


def requested_table(arguments: argparse.Namespace) -> TableSpec:
    """Return the table with the requested rows and columns. Raises RequestError for an unknown one."""
    return load_table(arguments.table).restricted(arguments.methods, arguments.tasks)


def runnable_cells(table: TableSpec, arguments: argparse.Namespace) -> tuple[list[Cell], dict[str, str]]:
    """Return all cells, and for each column without data the reason.

    Raises RequestError for a value that no run accepts, and when no column is left.
    """
    cells = compose_cells(table, arguments.profile, arguments.seeds, arguments.words)
    if all(cell.completed() for cell in cells):
        return cells, {}
    from frod_bench.grid.runnable import check_values, columns_without_data  # their libraries take seconds to import

    if arguments.words or arguments.seeds:  # registered values need no check
        check_values(cells)
    return cells, columns_without_data(cells)
