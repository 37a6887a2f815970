"""Tables and a heat map of what one adapter has kept of a sequence of tasks."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from frod_bench.record.continual_record import ContinualRecord
from frod_bench.report.table import Column, Table

_SUMMARIES = ("average", "backward_transfer", "forgetting")
_BOUNDS = ("alone", "joint")
_NOTE = (
    "average: over all tasks after the last stage. alone: a run of each task. joint: one run on the rows of all tasks,"
    " with a head for each."
)


class Trained(NamedTuple):
    """The records of one method on one sequence in one setting, a record per seed."""

    method: str
    tasks: list[str]
    setting: dict[str, str]
    records: list[ContinualRecord]

    def matrix(self) -> list[list[float | None]]:
        """Return the mean of the matrices over seeds; None where one of them has no score."""
        size = range(len(self.tasks))
        return [[_mean([record.matrix[i][j] for record in self.records]) for j in size] for i in size]

    def summary(self) -> list[float | None]:
        """Return average, score alone, score of joint training, backward transfer and forgetting, means over seeds."""
        average, backward, forgot = (_mean([getattr(r, name) for r in self.records]) for name in _SUMMARIES)
        alone, joint = (_mean(self.bound(name)) for name in _BOUNDS)
        return [average, alone, joint, backward, forgot]

    def bound(self, name: str) -> list[float | None]:
        """Return the scores of `alone` or `joint` training on each task, means over seeds."""
        return [_mean(values) for values in zip(*(getattr(record, name) for record in self.records), strict=True)]


def grouped(records: Sequence[ContinualRecord]) -> list[Trained]:
    """Return the records by setting, sequence and method."""

    def key(record: ContinualRecord) -> tuple[Any, ...]:
        return list(record.setting.items()), record.tasks, record.method

    found = (list(own) for _, own in groupby(sorted(records, key=key), key=key))
    return [Trained(own[0].method, own[0].tasks, own[0].setting, own) for own in found]


def tables(records: Sequence[ContinualRecord]) -> list[Table]:
    """Return for each setting and sequence the summaries of all methods and the matrix of each; means over seeds."""
    found = []
    for _, same in groupby(grouped(records), key=lambda each: (each.setting, each.tasks)):
        own = list(same)
        found += [_summary(own), *map(_matrix, own)]
    return found


def _summary(own: list[Trained]) -> Table:
    columns = [
        Column("method", align="left"),
        Column("seeds"),
        Column("average", _points, unit="%"),
        Column("alone", _points, unit="%"),
        Column("joint", _points, unit="%"),
        Column("backward\ntransfer", _signed, unit="points"),
        Column("forgetting", _signed, unit="points"),
    ]
    rows = [[each.method, len(each.records), *each.summary()] for each in own]
    named = ", ".join(f"{name} {value}" for name, value in own[0].setting.items())
    title = f"One adapter on {', '.join(own[0].tasks)}: {named}"
    return Table(columns, rows, title, [_NOTE], name="continual")


def _matrix(each: Trained) -> Table:
    names = _short(each.tasks)
    columns = [Column("after", align="left"), *(Column(name, _points) for name in names)]
    rows = [[name, *row] for name, row in zip(names, each.matrix(), strict=True)]
    bounds = {name: each.bound(name) for name in _BOUNDS}
    rows += [[name, *scores] for name, scores in bounds.items() if None not in scores]
    title = f"{each.method}: score on each task after each stage (%)"
    return Table(columns, rows, title, name=f"continual-{each.method}")


def draw(records: Sequence[ContinualRecord], folder: Path) -> list[Path]:
    """Draw the matrix of every method and sequence as a heat map; return the PNG, the SVG and the CSV."""
    from matplotlib.figure import Figure  # takes half a second

    from frod_bench.escape import plot_text
    from frod_bench.report.style import save

    panels = grouped(records)
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(2.9 * across + 0.9, 2.7 * down + 0.4), layout="constrained")
    grid = list(figure.subplots(down, across, squeeze=False).flat)
    values = [100 * value for each in panels for row in each.matrix() for value in row if value is not None]
    for axes, each in zip(grid, panels, strict=False):
        names = [plot_text(name) for name in _short(each.tasks)]
        scores = [[None if value is None else 100 * value for value in row] for row in each.matrix()]
        shown = [[float("nan") if value is None else value for value in row] for row in scores]
        image = axes.imshow(shown, cmap="cividis", vmin=min(values), vmax=max(values))
        for i, row in enumerate(scores):
            for j, value in enumerate(row):
                if value is not None:
                    dark = value < (min(values) + max(values)) / 2
                    axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=7, color="w" if dark else "k")
        axes.set_xticks(range(len(names)), names, fontsize=7, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_title(plot_text(f"{each.method}\n{', '.join(each.setting.values())}"), loc="left", fontsize=7)
        axes.set_ylabel("after the stage", fontsize=7)
        axes.spines[:].set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.colorbar(image, ax=grid, label="score on the task (%)", shrink=0.8)
    return save(figure, folder, "continual", _data(panels))


def _data(panels: list[Trained]) -> Table:
    columns = ("setting", "method", "after", "task", "score")
    rows = [
        [", ".join(each.setting.values()), each.method, after, task, score]
        for each in panels
        for after, row in zip(each.tasks, each.matrix(), strict=True)
        for task, score in zip(each.tasks, row, strict=True)
        if score is not None
    ]
    return Table([Column(name) for name in columns], rows)


def _short(tasks: Sequence[str]) -> list[str]:
    return [task.partition("/")[2] for task in tasks]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _points(value: float) -> str:
    return f"{100 * value:.2f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"
