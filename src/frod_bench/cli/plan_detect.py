"""`frod-bench plan TABLE --detect POINTS`: the rows and seeds that a difference of that size needs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.cli.runs import read_runs
from frod_bench.cli.table_arguments import requested_table
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.grid.cells import whole_numbers
from frod_bench.grid.tables import TableSpec
from frod_bench.record import StoredRun, output_root

if TYPE_CHECKING:
    from frod_bench.report.paired.plan import Planned


_SEEDS = (3, 5, 10, 20)  # for which the rows are told


def show_detectable(arguments: argparse.Namespace) -> int:
    """Print what the design of a table can show. Raises RequestError where no stored run tells anything."""
    if arguments.table == "tune":
        raise RequestError("--detect plans the runs of a table and no trials. Type, for example: plan 4 --detect 1")
    if not 0 < arguments.detect < 100:
        raise RequestError(f"--detect {arguments.detect:g} is not accepted: a number of points above 0, such as 1, is.")
    if overrides := [word for word in arguments.words if "=" in word]:
        raise RequestError(f"{overrides[0]} is not accepted with --detect, which reads stored runs. Give their FOLDER.")
    table = requested_table(arguments)
    seeds = len(whole_numbers(arguments.seeds or table.seeds[arguments.profile]))
    if seeds < 2:
        raise RequestError("One seed shows nothing about other seeds. Plan two or more: --seeds 0,1,2,3,4")
    folders = [Path(word) for word in arguments.words] or [output_root()]
    runs = [run for run in read_runs(folders).runs if _belongs(run, table, arguments.profile)]
    from frod_bench.report.paired.plan import plan  # numpy and scipy take a while to import
    from frod_bench.report.summary import summarise

    baselines = max(1, len(table.rows) - 1)
    plans = {s.setting: plan(s, arguments.detect / 100, seeds, baselines) for s in summarise(runs).sections}
    plans = {setting: planned for setting, planned in plans.items() if planned}
    if not plans:
        raise RequestError(_what_to_run(arguments, table))
    for setting, planned in plans.items():
        show(
            _text(f"Table {arguments.table} with {seeds} seeds, {setting}", planned, arguments.detect, seeds, baselines)
        )
    return 0


def _belongs(run: StoredRun, table: TableSpec, profile: str) -> bool:
    methods = {words[0].removeprefix("method=") for words in table.rows.values()}
    record = run.record
    return record.profile == profile and record.method in methods and record.task in table.columns.values()


def _what_to_run(arguments: argparse.Namespace, table: TableSpec) -> str:
    name, profile, column = arguments.table, arguments.profile, next(iter(table.columns))
    return (
        f"No stored run of profile {profile} tells how FRoD and another method of table {name} differ over rows and"
        " seeds. Make a few, with two seeds or more, and type this again:"
        f" frod-bench table {name} --profile {profile} --methods frod,lora --tasks {column} --seeds 0,1,2"
    )


def _text(title: str, planned: list["Planned"], points: float, seeds: int, baselines: int) -> str:
    from frod_bench.report.table import Column, Table, to_text

    columns = (
        *(Column("task", align="left"), Column("pairs"), Column("evaluation\nrows", "{:,}".format)),
        *(Column("discordance\n(percent)", "{:.1f}".format), Column("sd over\nseeds", "{:.2f}".format)),
        *(
            Column(f"shows with\n{seeds} seeds", "{:.2f}".format),
            Column(f"seeds for\n{points:g} on these rows", "{:,}".format),
        ),
        Column(f"rows for {points:g}\nwith {seeds} seeds", _many),
    )
    body = [_line(each) for each in planned]
    notes = [
        "Points. From the median of FRoD's stored comparisons with other methods. discordance: rows that only one of"
        " two runs gets right. sd over seeds: of the difference, beyond what the rows explain. shows: the smallest true"
        f" difference found with probability 0.8, two-sided at 5 %, the first of Holm's steps for {baselines} baseline"
        f"{'' if baselines == 1 else 's'}. On a mean, seeds are those of each task, and its rows are scaled alike. —:"
        " not by that alone.",
        _together(planned[-1], points, baselines),
    ]
    if assumed := [each.task for each in planned if each.from_scores and len(each.parts) == 1]:
        notes.append(
            f"{', '.join(assumed)}: no stored run has predictions per row, so the discordance is unknown. It counts as"
            " that of methods whose errors are independent, which is more than methods have: less will be needed."
        )
    if single := [each.task for each in planned if len(each.parts) == 1 and each.deviation is None]:
        notes.append(
            f"{', '.join(single)}: only single runs are stored, so the deviation over seeds is unknown and counts as"
            " none: more will be needed. Run two seeds or more."
        )
    return to_text(Table(columns, body, title, notes)) + "\n"


def _together(planned: "Planned", points: float, baselines: int) -> str:
    """Say how many rows would do with several numbers of seeds."""
    ways = planned.rows_with(points / 100, _SEEDS, baselines)
    told = [f"{seeds} seeds and {_many(rows)} rows" for seeds, rows in ways.items() if rows is not None]
    size = f"{points:g} point{'' if points == 1 else 's'}"
    where = f"the {planned.task}" if len(planned.parts) > 1 else planned.task
    return f"To show {size} on {where} takes {' or '.join(told) or f'more than {_SEEDS[-1]} seeds'}."


def _line(planned: "Planned") -> tuple:
    rows = sum(part.rows for part in planned.parts)
    needed = None if planned.rows is None else planned.rows * rows
    own = planned if len(planned.parts) == 1 else None
    discordance = None if own is None or own.from_scores else 100 * own.parts[0].discordance
    deviation = None if own is None or own.deviation is None else 100 * own.deviation
    return planned.task, planned.pairs, rows, discordance, deviation, 100 * planned.detectable, planned.seeds, needed


def _many(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"
