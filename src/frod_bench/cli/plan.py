"""`frod-bench plan`: what the missing cells of a table cost, before anything is spent."""

import argparse
import os
import shutil
import time
from dataclasses import dataclass
from statistics import median

import torch
from tabulate import tabulate

from frod_bench.cli.cells import Cell, add_arguments, compose_cells, restricted
from frod_bench.cli.device import device_name
from frod_bench.cli.estimate import Cost, cost, plan_facts
from frod_bench.cli.identity import output_root
from frod_bench.cli.parser import command_parser
from frod_bench.errors import RequestError, nearest
from frod_bench.record import RunRecord

_GIB = 2**30
_HEADERS = ("row", "column", "done", "missing", "memory\nGiB", "disk\nMiB", "hours\neach", "hours\nleft", "kWh\nleft")
_EXAMPLES = """\
examples:
  frod-bench plan 3 --gpu h100                       the paper's protocol on a GPU that is not here
  frod-bench plan 4 --profile offline data.root=DIR --methods frod,lora
"""
_LEGEND = (
    "Hours: the FLOP of a run (closed forms over the shapes in configs/backbone) at the rate of {evidence}; rows and"
    " tokens from {rows}. Memory: a closed form without the framework's own. kWh: at the board's full power. Disk: the"
    " adapters that stay."
)


@dataclass(frozen=True)
class Device:
    """Where the cells would run. `rate` is in FLOP/s by half precision or not, `watts` None where unknown."""

    name: str
    rate: dict[bool, float]
    memory_bytes: int
    watts: float | None
    evidence: str


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
    cells = compose_cells(preset, arguments, arguments.words)
    done = [(cell, record) for cell in cells if (record := cell.completed()) is not None]
    device = _named(arguments.gpu) if arguments.gpu else _here()
    lines = [_line(group, done, device) for group in _grouped(cells)]
    print(f"{preset.name}, profile {arguments.profile}, on {device.name}\n")
    print(_table(lines, device))
    missing, hours = len(cells) - len(done), sum(line.missing * line.hours for line in lines)
    disk = sum(line.missing * line.cost.disk_bytes for line in lines)
    energy = "" if device.watts is None else f", {hours * device.watts / 1000:.3g} kWh"
    print(
        f"\n{missing} of {len(cells)} cells missing: about {_duration(hours)} one after the other{energy},"
        f" {disk / _GIB:.2f} GiB of disk."
    )
    for warning in _warnings(lines, disk, device):
        print(f"warning: {warning}")
    rows = ", ".join(sorted({line.cost.rows for line in lines}))
    print("\n" + _LEGEND.format(evidence=device.evidence, rows=rows))
    return 0


def _grouped(cells: list[Cell]) -> list[list[Cell]]:
    """Return the cells of each row and column together, over their seeds."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.column), []).append(cell)
    return list(groups.values())


def _line(group: list[Cell], done: list[tuple[Cell, RunRecord]], device: Device) -> Line:
    own = [record for cell, record in done if cell in group]
    task = group[0].config["task"]["name"]
    samples = next((record.samples for _, record in done if record.task == task), None)
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
            f"{line.cost.memory_bytes / _GIB:.2f}",
            f"{line.cost.disk_bytes / 2**20:,.1f}",
            f"{line.hours:.3g}",
            f"{line.missing * line.hours:.3g}",
            "" if device.watts is None else f"{line.missing * line.hours * device.watts / 1000:.3g}",
        ]
        for line in lines
    ]
    return tabulate(body, _HEADERS, disable_numparse=True, colalign=("left", "left", *("right",) * 7))


def _warnings(lines: list[Line], disk: int, device: Device) -> list[str]:
    """Return a sentence for whatever does not fit."""
    found = []
    for row in dict.fromkeys(line.cell.row for line in lines if line.missing):
        most = max(line.cost.memory_bytes for line in lines if line.cell.row == row)
        if most > device.memory_bytes:
            found.append(
                f"{row} needs about {most / _GIB:.0f} GiB and {device.name} has {device.memory_bytes / _GIB:.0f}."
                " Try train.accumulate=, a smaller backbone.dtype or another device."
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


def _named(name: str) -> Device:
    facts = plan_facts()
    if name not in facts["devices"]:
        raise RequestError(f"--gpu {name} is not known. {nearest(name, facts['devices'])}")
    sheet = facts["devices"][name]
    return Device(
        name=f"one {name}",
        rate={False: sheet["fp32"] * 1e12, True: sheet["half"] * 1e12},
        memory_bytes=int(sheet["memory_gb"] * 1e9),
        watts=sheet["watts"],
        evidence=f"its data sheet times {facts['utilisation']}, an assumption",
    )


def _here() -> Device:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = device_name(device)
    sheets = plan_facts()["devices"]
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device(
        name=name,
        rate={half: _product_rate(device, torch.bfloat16 if half else torch.float32) for half in (False, True)},
        memory_bytes=memory,
        watts=next((sheet["watts"] for known, sheet in sheets.items() if known in name.lower()), None),
        evidence="the runs of this table that are done, else of a product of matrices timed just now, times"
        f" {plan_facts()['utilisation']}",
    )


def _product_rate(device: torch.device, dtype: torch.dtype, n: int = 1024, seconds: float = 0.5) -> float:
    """Return the FLOP/s of n x n products, of which as many run as `seconds` hold."""
    a = torch.randn(n, n, device=device).to(dtype)
    (a @ a).sum().item()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        (a @ a)[0, 0].item()
        count += 1
    return 2 * n**3 * count / (time.perf_counter() - start)


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
