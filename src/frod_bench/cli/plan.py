"""`frod-bench plan`: what the missing cells of a table cost, before anything is spent."""

import argparse
import shutil
import sys
from dataclasses import dataclass
from statistics import median

from tabulate import tabulate
from tqdm import tqdm

from frod_bench.cli.cells import Cell, add_arguments, restricted, runnable_cells
from frod_bench.cli.device import Device, named_device, this_device
from frod_bench.cli.estimate import Cost, cost, count_rows, plan_facts, row_length
from frod_bench.cli.footprint import footprint
from frod_bench.cli.identity import output_root
from frod_bench.cli.parser import command_parser
from frod_bench.record import RunRecord
from frod_bench.train.memory_model import MemoryUse

_GIB = 2**30
_HEADERS = ("row", "column", "done", "missing", "disk\nMiB", "hours\neach", "hours\nleft", "kWh\nleft")
_PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "initialisation", "step")
_EXAMPLES = """\
examples:
  frod-bench plan 3 --gpu h100                       the paper's protocol on a GPU that is not here
  frod-bench plan 4 --profile offline data.root=DIR --methods frod,lora
"""
_LEGEND = (
    "Hours: the FLOP of a run (closed forms over the shapes in configs/backbone) at the rate of {evidence}; rows and"
    " tokens from {rows}. Memory: predicted from the shapes for one micro-batch of the column with the longest rows, as"
    " on a CPU, without the framework's own. kWh: at the board's full power. Disk: the adapters that stay."
)


@dataclass(frozen=True)
class Line:
    """A row and a column of the table over its seeds."""

    cell: Cell
    done: int
    missing: int
    cost: Cost
    hours: float  # of one run


def main(argv: list[str]) -> int:
    """Print the plan of a table. Raises RequestError for what no table and no run would take."""
    arguments = _parser().parse_intermixed_args(argv)
    preset = restricted(arguments)
    cells, without = runnable_cells(preset, arguments)
    done = [(cell, record) for cell in cells if (record := cell.completed()) is not None]
    device = named_device(arguments.gpu) if arguments.gpu else this_device()
    counted = [cell for cell in cells if cell.column not in without]
    rows = {cell.column: (record.samples, "an earlier run") for cell, record in done}
    one = {cell.column: cell for cell in counted if cell.column not in rows}
    rows |= {column: count_rows(cell.config) for column, cell in one.items()}
    lines = [_line(group, done, rows[group[0].column][0], device) for group in _grouped(counted)]
    print(f"{preset.name}, profile {arguments.profile}, on {device.name}\n")
    print(_table(lines, device))
    missing, hours = sum(line.missing for line in lines), sum(line.missing * line.hours for line in lines)
    disk = sum(line.missing * line.cost.disk_bytes for line in lines)
    energy = "" if device.watts is None else f", {hours * device.watts / 1000:.3g} kWh"
    print(
        f"\n{missing} of {len(counted)} cells missing: about {_duration(hours)} one after the other{energy},"
        f" {disk / _GIB:.2f} GiB of disk."
    )
    for column, reason in without.items():
        print(f"{column} is left out, as it has no data here: {reason}")
    memory = _memory([line for line in lines if line.missing])
    if memory:
        print("\n" + _memory_table(memory))
    for warning in _warnings(memory, disk, device):
        print(f"warning: {warning}")
    origins = ", ".join(sorted({origin for _, origin in rows.values()}))
    print("\n" + _LEGEND.format(evidence=device.evidence, rows=origins))
    return 0


def _grouped(cells: list[Cell]) -> list[list[Cell]]:
    """Return the cells of each row and column together, over their seeds."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.column), []).append(cell)
    return list(groups.values())


def _line(group: list[Cell], done: list[tuple[Cell, RunRecord]], samples: dict[str, int], device: Device) -> Line:
    own = [record for cell, record in done if cell in group]
    one = cost(group[0].config, samples)
    alike = [(cell, record) for cell, record in done if record.environment["device"] == device.name]
    return Line(group[0], len(own), len(group) - len(own), one, _hours(one, group[0], alike, device))


def _hours(one: Cost, cell: Cell, done: list[tuple[Cell, RunRecord]], device: Device) -> float:
    """Return the hours of one run, at the rate of the runs that are most like it, else at the device's."""
    method, task = cell.config["method"]["name"], cell.config["task"]["name"]
    alike = [(c, r) for c, r in done if (r.method, r.task) == (method, task)]
    alike = alike or [(c, r) for c, r in done if r.method == method] or done
    if not alike:
        return one.flop / (device.rate[one.half] * plan_facts()["utilisation"]) / 3600
    rate = median(cost(c.config, r.samples).flop / (r.time["train_s"] + r.time["eval_s"]) for c, r in alike)
    return (one.flop / rate + median(r.time["init_s"] for _, r in alike)) / 3600


def _table(lines: list[Line], device: Device) -> str:
    body = [
        [
            line.cell.row,
            line.cell.column,
            line.done,
            line.missing,
            f"{line.cost.disk_bytes / 2**20:,.1f}",
            f"{line.hours:.3g}",
            f"{line.missing * line.hours:.3g}",
            "" if device.watts is None else f"{line.missing * line.hours * device.watts / 1000:.3g}",
        ]
        for line in lines
    ]
    return tabulate(body, _HEADERS, disable_numparse=True, colalign=("left", "left", *("right",) * 6))


def _memory(lines: list[Line]) -> list[tuple[Cell, MemoryUse]]:
    """Return what the column with the longest rows takes, for each row of the table."""
    longest: dict[str, Cell] = {}
    for cell in (line.cell for line in lines):
        longest[cell.row] = max(longest.get(cell.row, cell), cell, key=lambda c: row_length(c.config, 16))
    bar = tqdm(longest.values(), "memory", leave=False, disable=not sys.stderr.isatty())
    return [(cell, footprint(cell.config)) for cell in bar]


def _memory_table(memory: list[tuple[Cell, MemoryUse]]) -> str:
    body = [[cell.row, cell.column, *(f"{getattr(use, part) / _GIB:.2f}" for part in _PARTS)] for cell, use in memory]
    header = ("memory in GiB of", "on", *_PARTS[:-2], "peak of\nattaching", "peak of\na step")
    return tabulate(body, header, disable_numparse=True, colalign=("left", "left", *("right",) * len(_PARTS)))


def _warnings(memory: list[tuple[Cell, MemoryUse]], disk: int, device: Device) -> list[str]:
    """Return a sentence for whatever does not fit."""
    found = []
    for cell, use in memory:
        if use.peak > device.memory_bytes:
            found.append(
                f"{cell.row} needs about {use.peak / _GIB:.0f} GiB and {device.name} has"
                f" {device.memory_bytes / _GIB:.0f}. Try train.accumulate=, a smaller backbone.dtype or another device."
            )
    root = output_root().absolute()
    free = shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free
    if disk > free:
        found.append(
            f"The adapters need {disk / _GIB:.1f} GiB below {output_root()}, where {free / _GIB:.1f} are free."
        )
    return found


def _duration(hours: float) -> str:
    return f"{hours:.3g} hours" if hours >= 0.1 else f"{60 * hours:.2g} minutes"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench plan",
        "Say which cells of a table are done and what the others need: memory, disk, hours and energy.",
        _EXAMPLES,
    )
    parser.add_argument("table", help="2, 3, 4, 5 or the name of another file with rows in configs/sweep/")
    add_arguments(parser)
    parser.add_argument("--gpu", metavar="NAME", help=f"instead of this machine: {', '.join(plan_facts()['devices'])}")
    return parser
