"""Tables of what one adapter has kept of a sequence of tasks."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from frod_bench.record.continual_record import ContinualRecord
from frod_bench.report.table import Column, Table

_SUMMARIES = ("average", "backward_transfer", "forgetting")


def tables(records: Sequence[ContinualRecord]) -> list[Table]:
    """Return the summaries of all methods, and for each method its matrix; means over seeds."""
    grouped = [(method, list(own)) for method, own in groupby(records, key=lambda record: record.method)]
    return [_summary(grouped), *(_matrix(method, own) for method, own in grouped)]


def _summary(grouped: Iterable[tuple[str, list[ContinualRecord]]]) -> Table:
    columns = [
        Column("method", align="left"),
        Column("seeds"),
        Column("average", _points, unit="%"),
        Column("alone", _points, unit="%"),
        Column("backward\ntransfer", _signed, unit="points"),
        Column("forgetting", _signed, unit="points"),
    ]
    rows: list[list[Any]] = []
    for method, own in grouped:
        average, backward, forgot = (_mean([getattr(record, name) for record in own]) for name in _SUMMARIES)
        alone = _mean([value for record in own for value in record.alone])
        rows.append([method, len(own), average, alone, backward, forgot])
    return Table(columns, rows, "One adapter on a sequence of tasks", name="continual")


def _matrix(method: str, own: list[ContinualRecord]) -> Table:
    tasks = own[0].tasks
    columns = [Column("after", align="left"), *(Column(task.partition("/")[2], _points) for task in tasks)]
    scores = mean_matrix(own)
    rows = [[task.partition("/")[2], *row] for task, row in zip(tasks, scores, strict=True)]
    return Table(columns, rows, f"{method}: score on each task after each stage (%)", name=f"continual-{method}")


def mean_matrix(records: Sequence[ContinualRecord]) -> list[list[float | None]]:
    """Return the mean of the matrices over seeds; None where one of them has no score."""
    size = range(len(records[0].tasks))
    return [[_mean([record.matrix[i][j] for record in records]) for j in size] for i in size]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _points(value: float) -> str:
    return f"{100 * value:.2f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"
