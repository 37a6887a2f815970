"""`frod-bench plan`: estimate what the missing cells of a table cost before anything is spent."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from tabulate import tabulate

from frod_bench.cli.continual_arguments import add_bounds, requested_sequences
from frod_bench.cli.merge_arguments import add_merges
from frod_bench.cli.parser import command_parser
from frod_bench.cli.plan_detect import show_detectable
from frod_bench.cli.plan_merges import check_runs, merges_planned, planned_ways
from frod_bench.cli.quantities import duration, number
from frod_bench.cli.table_arguments import add_arguments, named_table, requested_table, runnable_cells
from frod_bench.cli.tune_arguments import add_search_arguments, is_fair, requested_arms, requested_search
from frod_bench.config.old_names import current_override
from frod_bench.console import show
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.forecast.facts import plan_facts
from frod_bench.grid.cells import Cell, compose_cells, with_first_stages
from frod_bench.grid.continual import wanted_cells
from frod_bench.grid.search import GridSearch
from frod_bench.grid.tables import TableSpec, table_of_run
from frod_bench.record import output_root

_GIB = 2**30
_HEADERS = ("row", "column", "done", "missing", "disk\nMiB", "hours\neach", "hours\nleft", "kWh\nleft")
_PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "initialisation", "step")
_EXAMPLES = """\
examples:
  frod-bench plan 3 --gpu h100                       the paper's protocol on a GPU that is not here
  frod-bench plan 4 --profile offline data.root=DIR --methods frod,lora
  frod-bench plan 4 --profile offline data.root=DIR protocol=fair      with the trials that come first
  frod-bench plan 4 --profile offline --detect 1 outputs    rows and seeds that show a difference of one point
  frod-bench plan continual --profile offline --methods frod,lora --tasks glue/rte,glue/mrpc --seeds 0,1,2 --joint
  frod-bench plan merge --profile offline --methods frod,lora --tasks glue/rte,glue/mrpc --how average,ties
  frod-bench plan method=frod task=glue/rte backbone=own/text backbone.id=DIR       one run, as it would be typed
  frod-bench plan tune --profile offline --methods frod,lora --tasks glue/sst2 --trials 7
"""
_LEGEND = (
    "Hours: the FLOPs of a run (closed forms over the shapes in configs/backbone) at the rate of {evidence}; rows and"
    " tokens from {rows}. Memory: predicted from the shapes, for one micro-batch of the column with the longest rows,"
    " as on a CPU, without the framework's own. kWh: at the board's full power. Disk: the adapters that are kept."
)


def main(argv: list[str]) -> int:
    """Print the plan of a table. Raises RequestError for a table, row, column, device or value that does not exist."""
    arguments = _parser().parse_intermixed_args(argv)
    run = None
    if "=" in arguments.table:  # no name, but the first override of a run
        words = [current_override(arguments.table), *arguments.words]
        run, arguments.profile, arguments.words = table_of_run(words, arguments.profile)
        arguments.table = " ".join(words)
    if arguments.detect is not None:
        return show_detectable(arguments)
    if arguments.gpu is not None and arguments.gpu not in plan_facts()["devices"]:
        raise RequestError(
            f"--gpu {arguments.gpu} is not known. {did_you_mean(arguments.gpu, plan_facts()['devices'])}"
        )
    ways = planned_ways(arguments) if arguments.table == "merge" else []
    cells, without = _planned(arguments) if run is None else runnable_cells(run, arguments)
    if ways:
        check_runs(ways, [cell.config for cell in cells])
    from frod_bench.forecast.device import named_device, this_device  # torch takes seconds to import
    from frod_bench.forecast.plan import PlannedRun, plan_lines, plan_memory, what_does_not_fit

    device = named_device(arguments.gpu) if arguments.gpu else this_device()
    cells = [cell for cell in cells if cell.column not in without]
    every = with_first_stages(cells)
    runs = [PlannedRun(cell.row, cell.column, cell.config, cell.completed()) for cell in every]
    lines, origins = plan_lines(runs, device)
    missing, hours = sum(line.missing for line in lines), sum(line.hours_left for line in lines)
    disk = sum(line.disk_left for line in lines)
    energy = "" if device.watts is None else f", {number(hours * device.watts / 1000)} kWh"
    named = {cell.identity for cell in cells}  # first stages are made, but not merged
    to_merge = [run for cell, run in zip(every, runs, strict=True) if cell.identity in named]
    merges = merges_planned(ways, to_merge, device) if ways else None
    show(
        f"{arguments.table}, profile {arguments.profile}, on {device.name}: {missing} of {len(runs)} runs missing,"
        f" about {duration(hours)} one after the other{energy}, {disk / _GIB:.2f} GiB of disk."
    )
    show(f"{merges[0]}\n" if merges else "")
    show(_table(lines, device))
    for column, reason in without.items():
        show(f"{column} is left out, as it has no data here: {reason}")
    memory, unpredicted = plan_memory([line for line in lines if line.missing])
    if memory:
        show("\n" + _memory_table(memory))
    for reason in unpredicted:
        show(reason)
    for warning in what_does_not_fit(memory, disk, device, output_root()):
        show(f"warning: {warning}")
    if merges:
        show(f"\n{merges[1]}")
    show("\n" + _LEGEND.format(evidence=device.evidence, rows=", ".join(origins)))
    return 0


def _planned(arguments: argparse.Namespace) -> tuple[list[Cell], dict[str, str]]:
    """Return the cells that the command would run, trials first, and the columns without data with the reason."""
    if arguments.table == "continual":
        return _with_data(wanted_cells(requested_sequences(arguments, tuned=False), arguments.alone, arguments.joint))
    if arguments.table == "merge":
        table, seeds = named_table(arguments, "merge"), arguments.seeds
        return _with_data(compose_cells(table, arguments.profile, seeds, arguments.words, tuned=False))
    if arguments.table == "tune":
        return _with_data(_trials(named_table(arguments, "tune"), arguments))
    table = requested_table(arguments)
    if not is_fair(table, arguments.words):
        return runnable_cells(table, arguments)
    # what was not tuned yet costs as much at the recipe's rates
    runs = compose_cells(table, arguments.profile, arguments.seeds, arguments.words, tuned=False)
    return _with_data([*_trials(table, arguments), *runs])


def _trials(table: TableSpec, arguments: argparse.Namespace) -> list[Cell]:
    search = requested_search(arguments)
    grid = GridSearch(search.trials, search.per_decade)
    trials = [t for arm in requested_arms(table, arguments) for t in arm.add(grid.ask([], arm.axis))]
    return [replace(trial, row=f"{trial.row}, trials") for trial in trials]


def _with_data(cells: Sequence[Cell]) -> tuple[list[Cell], dict[str, str]]:
    from frod_bench.grid.runnable import check_values, columns_without_data  # their libraries take seconds to import

    check_values(list(cells))
    return list(cells), columns_without_data(list(cells))


def _table(lines: list, device) -> str:
    body = [
        [
            line.row,
            line.column,
            line.done,
            line.missing,
            f"{line.cost.disk_bytes / 2**20:,.1f}",
            number(line.hours),
            number(line.hours_left),
            "" if device.watts is None else number(line.hours_left * device.watts / 1000),
        ]
        for line in lines
    ]
    return tabulate(body, _HEADERS, disable_numparse=True, colalign=("left", "left", *("right",) * 6))


def _memory_table(memory: list) -> str:
    body = [[line.row, line.column, *(f"{getattr(use, part) / _GIB:.2f}" for part in _PARTS)] for line, use in memory]
    header = ("memory in GiB of", "on", *_PARTS[:-2], "peak of\nattaching", "peak of\na step")
    return tabulate(body, header, disable_numparse=True, colalign=("left", "left", *("right",) * len(_PARTS)))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench plan",
        "Estimate what the missing cells of a table need: hours, energy, disk and memory, and which do not fit.",
        _EXAMPLES,
    )
    parser.add_argument(
        "table",
        help="2, 3, 4, 5, or another table in configs/sweep/; tune, continual or merge; or a run's overrides",
    )
    add_arguments(parser)
    add_search_arguments(parser)
    add_bounds(parser)
    add_merges(parser)
    parser.add_argument(
        "--gpu", metavar="NAME", help=f"plan for this GPU instead of this machine: {', '.join(plan_facts()['devices'])}"
    )
    help_detect = (
        "instead of the cost: the rows and seeds that show a difference of so many points with probability 0.8, from"
        f" how stored runs differ; words are then folders of runs (default: {output_root()})"
    )
    parser.add_argument("--detect", type=float, metavar="POINTS", help=help_detect)
    return parser
