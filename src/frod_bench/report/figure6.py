"""Figure 6: accuracy against tan alpha after 1, 4 and 10 epochs, over the grid of Table 5."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frod_bench.errors import RequestError
from frod_bench.escape import plot_text
from frod_bench.record import StoredRun
from frod_bench.report.style import legend, looks_in_order, polish, save
from frod_bench.report.table import Column, Table
from frod_bench.report.variants import settings

EPOCHS = (1, 4, 10)
BAND = (0.05, 0.2)  # where the paper says accuracy is best
LEAST_R2 = 0.3  # of a parabola that is drawn: one that explains less would be a line through noise
_SCHEDULE = ("train.epochs", "train.schedule", "train.warmup_steps")  # the same in all runs of the grid
_ANGLES = {"tan_alpha": "tan α, measured", "lr_ratio": "lr(S) / lr(Σ)"}


@dataclass(frozen=True)
class Point:
    """One cell of the grid after one epoch: accuracy in percent, the mean over `tasks` tasks and all seeds."""

    epoch: int
    sparsity: float
    lr_sparse: float
    lr_diag: float
    tasks: int
    runs: int
    accuracy: float
    tan_alpha: float | None
    lr_ratio: float | None


class Fit(NamedTuple):
    """Least squares of accuracy = a + b x + c x^2, x = log10 of the angle; `peak` is its maximum, if any."""

    coefficients: tuple[float, float, float]  # c, b, a
    peak: float | None
    r2: float


def points(runs: Iterable[StoredRun]) -> list[Point]:
    """Return the cells of the FRoD runs among `runs`, except those that lack a task that another cell has.

    Raises RequestError for two runs of one cell, task and seed, and for runs with different schedules.
    """
    cells: dict[tuple[float, float, float], list[StoredRun]] = defaultdict(list)
    taken, schedules = set(), set()
    for run in runs:
        record = run.record
        if record.method == "frod" and record.status == "completed":
            config = settings(run)
            axes = ("method.sparsity", "train.lr.sparse", "train.lr.diag")
            sparsity, lr_sparse, lr_diag = (float(config.get(axis, "nan")) for axis in axes)
            key = (sparsity, lr_sparse, lr_diag)
            if (place := (key, record.task, record.seed)) in taken:
                raise RequestError(f"{run.path} is a second run of one cell of the grid. Give a smaller FOLDER.")
            taken.add(place)
            schedules.add(", ".join(config.get(k, "default") for k in _SCHEDULE))
            cells[key].append(run)
    if len(schedules) > 1:
        raise RequestError(
            f"The runs of the grid must have the same {', '.join(_SCHEDULE)}, and there are {len(schedules)} kinds:"
            f" {'; '.join(sorted(schedules))}. Give a smaller FOLDER."
        )
    tasks = {run.record.task for cell in cells.values() for run in cell}
    whole = {key: cell for key, cell in sorted(cells.items()) if {run.record.task for run in cell} == tasks}
    return [point for epoch in EPOCHS for key, cell in whole.items() for point in _point(epoch, key, cell, len(tasks))]


def fit(x: Iterable[float], y: Iterable[float]) -> Fit | None:
    """Return the parabola in log10(x) through the points, None for fewer than four different x."""
    log_x, values = np.log10(np.asarray(list(x))), np.asarray(list(y))
    if len(np.unique(log_x)) < 4:
        return None
    c, b, a = np.polyfit(log_x, values, 2)
    rest, spread = np.sum((values - np.polyval((c, b, a), log_x)) ** 2), np.sum((values - values.mean()) ** 2)
    top = -b / (2 * c) if c < 0 else math.nan
    peak = float(10**top) if log_x.min() <= top <= log_x.max() else None
    return Fit((c, b, a), peak, float(1 - rest / spread) if spread else 1.0)


def draw(drawn: list[Point], title: str, folder: Path) -> list[Path]:
    """Draw figure 6 into the folder as PNG, SVG and the CSV it was drawn from; return the files.

    Above: the measured angle. Below: the ratio of the learning rates, which is the likely meaning of the paper's axis.
    A cell whose sparse part or diagonal is not trained has no place on the logarithmic axis and is counted instead.
    """
    epochs = sorted({point.epoch for point in drawn})
    densities = sorted({point.sparsity for point in drawn})
    styles = dict(zip(densities, looks_in_order(f"s = {density:g}" for density in densities).items(), strict=True))
    width = max(2.6 * len(epochs) + 0.6, 5.6)  # inches; the legend needs that much even with one panel
    figure = Figure(figsize=(width, 5.4), layout="constrained")
    grid = figure.subplots(len(_ANGLES), len(epochs), squeeze=False, sharex="row", sharey="col")
    for axes, (angle, label) in zip(grid, _ANGLES.items(), strict=True):
        for panel, epoch in zip(axes, epochs, strict=True):
            panel.set_xlabel(label)
            panel.set_title(f"epoch {epoch}", loc="left", fontsize=9)
            _draw(panel, [p for p in drawn if p.epoch == epoch], angle, styles)
        axes[0].set_ylabel("accuracy (%)")
    shown = {label for panel in figure.axes for label in panel.get_legend_handles_labels()[1]}
    legend(figure, [name for name, _ in styles.values() if name in shown] + sorted(shown & {"fit", "paper's band"}))
    figure.supxlabel(plot_text(fill(title, int(18 * width))), fontsize=7)
    data = Table([Column(field.name) for field in fields(Point)], [astuple(point) for point in drawn])
    return save(figure, folder, "figure6", data)


def _draw(axes: Axes, drawn: list[Point], angle: str, styles: dict[float, tuple[str, dict[str, Any]]]) -> None:
    polish(axes)
    axes.set_xscale("log")
    axes.axvspan(*BAND, color="0.85", zorder=0, label="paper's band")
    placed = [point for point in drawn if (getattr(point, angle) or 0) > 0]
    for density, (name, look) in styles.items():
        own = [point for point in placed if point.sparsity == density]
        if own:
            x, y = [getattr(point, angle) for point in own], [point.accuracy for point in own]
            axes.plot(x, y, label=name, **look | {"linestyle": "none", "markersize": 6})
    notes = [f"not on the axis: {len(drawn) - len(placed)}"] if len(drawn) > len(placed) else []
    curve = fit((getattr(point, angle) for point in placed), (point.accuracy for point in placed))
    if curve is not None and curve.r2 < LEAST_R2:
        notes.append(f"no fit drawn: R² = {curve.r2:.2f}")
    elif curve is not None:
        angles = [getattr(point, angle) for point in placed]
        curve_x = np.geomspace(min(angles), max(angles), 100)
        axes.plot(curve_x, np.polyval(curve.coefficients, np.log10(curve_x)), color="0.25", linewidth=1.2, label="fit")
        peak = "no peak inside" if curve.peak is None else f"peak at {curve.peak:.2g}"
        notes.append(f"fit: {peak}, R² = {curve.r2:.2f}")
    axes.set_title("\n".join(notes), loc="right", fontsize=7)


def _point(epoch: int, key: tuple[float, float, float], cell: list[StoredRun], tasks: int) -> list[Point]:
    """Return the point of one cell, [] where one of its runs did not reach that epoch."""
    lines = [next((line for line in run.metrics if line["epoch"] == epoch), {}) for run in cell]
    if any(run.record.metric["name"] not in (line.get("eval") or {}) for run, line in zip(cell, lines, strict=True)):
        return []
    by_task = defaultdict(list)
    for run, line in zip(cell, lines, strict=True):
        by_task[run.record.task].append(100 * line["eval"][run.record.metric["name"]])
    measured = [(line.get("tan_alpha") or {}).get("mean") for line in lines]
    angles = [angle for angle in measured if angle is not None]
    sparsity, lr_sparse, lr_diag = key
    return [
        Point(
            epoch=epoch,
            sparsity=sparsity,
            lr_sparse=lr_sparse,
            lr_diag=lr_diag,
            tasks=tasks,
            runs=len(cell),
            accuracy=fmean(fmean(values) for values in by_task.values()),
            tan_alpha=fmean(angles) if len(angles) == len(measured) else None,
            lr_ratio=lr_sparse / lr_diag if lr_diag and math.isfinite(lr_sparse) else None,
        )
    ]
