"""Tables of merged models: each task's score beside that of the run on this task alone."""

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from frod_bench.record.merge_record import MergeRecord
from frod_bench.report.table import Column, Table

_COLUMNS = (
    Column("how", align="left"),
    Column("scale", "{:g}".format),
    Column("density", "{:g}".format),
    Column("method", align="left"),
    Column("seed"),
    Column("task", align="left"),
    Column("metric", align="left"),
    Column("alone", lambda value: f"{100 * value:.2f}"),
    Column("merged", lambda value: f"{100 * value:.2f}"),
    Column("share", lambda value: f"{100 * value:.1f}", unit="%"),
)
_SHARE = "alone: the run on this task; share: merged over alone."
_CHOSEN = " Scales were chosen on held-out training rows."


def merge_tables(records: Sequence[MergeRecord]) -> list[Table]:
    """Return a table for each setting, with a row for each merge and task, and one for the mean of each merge."""
    ordered = sorted(records, key=lambda record: list(record.setting.items()))
    return [_table(setting, list(own)) for setting, own in groupby(ordered, key=lambda record: record.setting)]


def _table(setting: dict[str, str], records: list[MergeRecord]) -> Table:
    rows = [row for record in records for row in _rows(record)]
    chosen = any(result.get("holdout") for record in records for result in record.results)
    named = ", ".join(f"{name} {value}" for name, value in setting.items())
    return Table(_COLUMNS, rows, f"Merged models: {named}", [_SHARE + (_CHOSEN if chosen else "")], "merges")


def _rows(record: MergeRecord) -> list[list[Any]]:
    methods = "+".join(dict.fromkeys(result["method"] for result in record.results))
    start = [record.how, record.scale, record.density]
    keys = ("method", "seed", "task", "metric", "single", "merged", "share")
    rows = [[*start, *(result[key] for key in keys)] for result in record.results]
    alone, merged = (fmean(result[key] for result in record.results) for key in ("single", "merged"))
    return [*rows, [*start, methods, None, "mean", "", alone, merged, record.mean_share]]
