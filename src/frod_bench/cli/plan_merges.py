"""The part of `frod-bench plan merge` on the merges themselves."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from frod_bench.cli.merge_arguments import Way, check_methods, parsed_scales, requested_hows, requested_ways
from frod_bench.cli.quantities import duration, number
from frod_bench.errors import RequestError
from frod_bench.record import output_root

if TYPE_CHECKING:  # torch takes seconds to import
    from frod_bench.forecast.device import Device
    from frod_bench.forecast.plan import PlannedRun

_GIB = 2**30
_HEADERS = ("merges of", "how", "merges", "scored\ntimes", "hours", "working\nGiB", "kept\nGiB", "memory\nGiB")
_LEGEND = (
    "A merge scores the rows of every task once per draw, and the held-out rows once per scale if there are several;"
    " reading and writing weights comes on top. Working: disk while one merge is made. Kept: the weights of all."
    " Memory: one model, or one layer of all runs where that is larger."
)


def planned_ways(arguments: argparse.Namespace) -> list[Way]:
    """Return the ways to merge. Raises RequestError for a value that `frod-bench merge` refuses."""
    scales = parsed_scales("--scales", arguments.scales or "")
    return requested_ways(requested_hows(arguments.how), scales, None, 0, arguments.draws)


def check_runs(ways: list[Way], configs: Sequence[dict[str, Any]]) -> None:
    """Raise RequestError for runs, by their configurations, that cannot be merged in one of these ways."""
    from frod_bench.config.instantiate import build_method

    if any(len(way.scales) > 1 for way in ways) and any(config["selection"] != "holdout" for config in configs):
        raise RequestError("--scales chooses on training rows that are held out: add selection=holdout.")
    check_methods(ways, {config["method"]["name"]: build_method(config["method"]) for config in configs})


def merges_planned(ways: list[Way], runs: Sequence["PlannedRun"], device: "Device") -> tuple[str, str]:
    """Return the totals in a line, and a table with a legend, of merging the runs of each row and seed."""
    from frod_bench.forecast.merge import plan_merge
    from frod_bench.forecast.plan import complete_runs, free_disk

    done, body, plans = complete_runs(runs), [], []
    for method in dict.fromkeys(run.row for run in runs):
        of_method = [run for run in runs if run.row == method]
        first = [run for run in of_method if run.config["seed"] == of_method[0].config["seed"]]
        count = len({run.config["seed"] for run in of_method})
        for way in ways:
            plan = plan_merge(first, done, way.how, len(way.scales), way.draws, device)
            sizes = (f"{size / _GIB:.2f}" for size in (plan.disk_bytes, count * plan.kept_bytes, plan.memory_bytes))
            body.append([method, way.how, count, count * plan.evaluations, number(count * plan.hours), *sizes])
            plans.append((count, plan))
    kept = sum(count * plan.kept_bytes for count, plan in plans)
    work, memory = (max(getattr(plan, name) for _, plan in plans) for name in ("disk_bytes", "memory_bytes"))
    total = (
        f"Then {sum(count for count, _ in plans)} merges: models score the rows of a task"
        f" {sum(count * plan.evaluations for count, plan in plans):,} times, about"
        f" {duration(sum(count * plan.hours for count, plan in plans))}; {kept / _GIB:.2f} GiB of disk and"
        f" {work / _GIB:.2f} more while one works, {memory / _GIB:.2f} GiB of memory."
    )
    warnings = []
    if kept + work > (free := free_disk(output_root())):
        need = f"{(kept + work) / _GIB:.1f} GiB of disk"
        warnings.append(f"warning: The merges need {need}, and {free / _GIB:.1f} are free.")
    if memory > device.memory_bytes:
        has = f"{device.name} has {device.memory_bytes / _GIB:.1f}"
        warnings.append(f"warning: A merge needs {memory / _GIB:.1f} GiB of memory, and {has}.")
    table = tabulate(body, _HEADERS, disable_numparse=True, colalign=("left", "left", *("right",) * 6))
    return total, "\n".join([table, *warnings, "", _LEGEND])
