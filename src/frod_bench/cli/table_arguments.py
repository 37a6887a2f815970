"""The arguments of every command about a table, and the cells that they ask for."""

import argparse

from frod_bench.config.catalogue import choices
from frod_bench.grid.cells import Cell, compose_cells
from frod_bench.grid.tables import TableSpec, load_table
from frod_bench.record import output_root


def add_arguments(parser: argparse.ArgumentParser, folders: bool = False) -> None:
    """Add what every command about a table takes; with `folders`, these may stand among the overrides."""
    add = parser.add_argument
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--seeds", metavar="0,1,…", help="default: those of configs/sweep/TABLE.yaml")
    add("--methods", metavar="M,…", help="only these, by the row's name or by method=")
    add("--tasks", metavar="T,…", help="only these, by the column's name or by task=")
    overrides = "overrides go to every cell, as in data.root=DIR train.epochs=2"
    if folders:
        where = f"where runs are: a run's directory or any folder above (default: {output_root()}); {overrides}"
        add("words", nargs="*", default=[], metavar="FOLDER|OVERRIDE", help=where)
    else:
        add("words", nargs="*", default=[], metavar="OVERRIDE", help=overrides)


def requested_table(arguments: argparse.Namespace) -> TableSpec:
    """Return the table with the rows and columns that were asked for. Raises RequestError for an unknown one."""
    return load_table(arguments.table).restricted(arguments.methods, arguments.tasks)


def runnable_cells(table: TableSpec, arguments: argparse.Namespace) -> tuple[list[Cell], dict[str, str]]:
    """Return all cells, and why no missing cell of a column can run for want of data, by the column.

    Raises RequestError for a value that no run would take, and when no column is left.
    """
    cells = compose_cells(table, arguments.profile, arguments.seeds, arguments.words)
    if all(cell.completed() for cell in cells):
        return cells, {}
    from frod_bench.grid.runnable import check_values, columns_without_data  # their libraries take seconds

    if arguments.words or arguments.seeds:  # the files' own values are right
        check_values(cells)
    return cells, columns_without_data(cells)
