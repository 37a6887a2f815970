"""The arguments that all commands about tables share, and the cells they select."""

import argparse

from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.errors import RequestError, did_you_mean
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


def named_table(arguments: argparse.Namespace, command: str) -> TableSpec:
    """Return the table that is named before the overrides, or one of `--methods` and `--tasks`, with seed 0.

    Takes the table's name out of `arguments.words`; `command` is for the message. Raises RequestError for an unknown
    name.
    """
    if arguments.words and "=" not in arguments.words[0]:
        return load_table(arguments.words.pop(0)).restricted(arguments.methods, arguments.tasks)
    if not arguments.methods or not arguments.tasks:
        raise RequestError(
            f"Name what to {command}: --methods M,… and --tasks T,…, or a table as in `frod-bench {command} 4`."
        )
    rows = {name: [f"method={name}"] for name in _known("--methods", arguments.methods, "method")}
    columns = {name: name for name in _known("--tasks", arguments.tasks, "task")}
    return TableSpec(command, rows, columns, None, dict.fromkeys(choices("profile"), "0"))


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


def _known(option: str, text: str, group: str) -> list[str]:
    known = choices(group)
    for name in text.split(","):
        if name not in known:
            raise RequestError(f"{option} {name} is not known. {did_you_mean(name, known)}")
    return list(dict.fromkeys(text.split(",")))
