"""Tables of merged models: each task's score beside that of the run on this task alone."""

from collections.abc import Sequence
from typing import Any

from frod_bench.record.merge_record import MergeRecord
from frod_bench.report.table import Column, Table


def merge_table(records: Sequence[MergeRecord]) -> Table:
    """Return a row for each merge and task, and one for the mean share of each merge."""
    columns = [
        Column("how", align="left"),
        Column("scale", "{:g}".format),
        Column("method", align="left"),
        Column("task", align="left"),
        Column("metric", align="left"),
        Column("single", _points),
        Column("merged", _points),
        Column("share", _points, unit="%"),
    ]
    rows: list[list[Any]] = []
    for record in records:
        for result in record.results:
            scores = [result[key] for key in ("method", "task", "metric", "single", "merged", "share")]
            rows.append([record.how, record.scale, *scores])
        single, merged = (_mean([r[key] for r in record.results]) for key in ("single", "merged"))
        rows.append([record.how, record.scale, "", "mean", "", single, merged, record.mean_share])
    note = "single: the run on this task alone; share: merged over single. The scale was chosen on held-out rows."
    judged = any(result.get("holdout") for record in records for result in record.results)
    return Table(columns, rows, "Merged models", [note if judged else note.rpartition(" The")[0]], "merges")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _points(value: float) -> str:
    return f"{100 * value:.2f}"
