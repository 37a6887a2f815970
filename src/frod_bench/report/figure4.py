"""Figure 4: training loss and score by optimizer step over the seeds, beside the authors' published curves."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frod_bench.escape import plot_text
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.style import legend, looks, polish, save
from frod_bench.report.summary import Row, Section
from frod_bench.report.table import Column, Table

_WINDOW = 10  # steps of the moving average, as in the authors' plotting script
_LAST_PUBLISHED_STEP = 280  # where the printed figure ends


class Curve(NamedTuple):
    """One seed of one method: y by step. `what` is `loss` or `score`, `source` is `ours` or `published`."""

    source: str
    what: str
    method: str
    seed: int
    steps: Sequence[int]
    values: Sequence[float]


def curves(rows: Iterable[Row]) -> list[Curve]:
    """Return the loss of every step, where the run stored it, and the score of every evaluation, in percent."""
    ours = []
    for row in rows:
        for run in row.runs:
            losses = run.losses()
            seed = run.record.seed
            if losses:
                ours.append(Curve("ours", "loss", row.method, seed, range(1, len(losses) + 1), losses))
            evaluated = [
                (line["step"], 100 * score)
                for line in run.metrics
                if line.get("step") is not None and (score := epoch_score(run, line)) is not None
            ]
            if evaluated:
                ours.append(Curve("ours", "score", row.method, seed, *zip(*evaluated, strict=True)))
    return ours


def published(file: Path) -> list[Curve]:
    """Read the authors' loss curves: columns `step` and `METHOD seed N`, the shorter ones padded with empty cells."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    head, *body = csv.reader(lines)
    theirs = []
    for place, name in enumerate(head[1:], start=1):
        method, _, seed = name.rpartition(" seed ")
        values = [float(row[place]) for row in body if row[place]][:_LAST_PUBLISHED_STEP]
        theirs.append(Curve("published", "loss", method, int(seed), range(1, len(values) + 1), values))
    return theirs


def draw(section: Section, task: str, printed: list[Curve], folder: Path) -> list[Path]:
    """Draw figure 4 of one task into the folder as PNG, SVG and the CSV it was drawn from; return the files.

    Lines are means over the seeds and bands reach from the lowest to the highest; losses are moving averages of ten
    steps. `printed` holds the authors' curves, [] where our runs are of another experiment.
    """
    rows = [row for row in section.rows if row.task == task]
    ours = curves(rows)
    methods = sorted({curve.method for curve in [*ours, *printed]})
    styles = {name: look | {"marker": "", "linewidth": 1.3} for name, look in looks(methods).items()}
    panels = [
        ("loss, ours", "training loss", [c for c in ours if c.what == "loss"]),
        *([("loss, published by the authors", "training loss", printed)] if printed else []),
        (
            "score, ours",
            plot_text(curve_label(rows[0].metric, section.setting.protocol)),
            [c for c in ours if c.what == "score"],
        ),
    ]
    figure = Figure(figsize=(3.6 * len(panels), 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, label, drawn) in zip(grid, panels, strict=True):
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel(label)
        polish(axes)
        _draw(axes, drawn, styles)
    losses = [axes for axes, (_, label, drawn) in zip(grid, panels, strict=True) if label == "training loss" and drawn]
    for axes in losses:
        axes.set_ylim(0, max(other.get_ylim()[1] for other in losses))
    legend(figure, [name for name in methods if any(c.method == name for *_, drawn in panels for c in drawn)])
    note = "line: mean over the seeds, band: lowest to highest seed; losses: moving average of 10 steps"
    figure.supxlabel(plot_text(f"{task}, {', '.join(section.setting)}\n{note}"), fontsize=7)
    return save(figure, folder, "figure4", _data([*ours, *printed]))


def _draw(axes: Axes, drawn: list[Curve], styles: dict[str, dict[str, Any]]) -> None:
    if not drawn:
        axes.text(0.5, 0.5, "not stored by these runs", ha="center", transform=axes.transAxes, fontsize=8)
    for method in dict.fromkeys(curve.method for curve in drawn):
        seeds = [curve for curve in drawn if curve.method == method]
        steps, values = _common(seeds)
        style = styles[method] | ({"marker": "o", "markersize": 3} if seeds[0].what == "score" else {})
        axes.plot(steps, values.mean(axis=0), label=plot_text(method), **style)
        if len(seeds) > 1:
            low, high = values.min(axis=0), values.max(axis=0)
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _common(seeds: list[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """Return steps [t] and values [seeds, t] up to the end of the shortest curve, losses smoothed."""
    length = min(len(curve.values) for curve in seeds)
    steps = np.asarray(seeds[0].steps[:length])
    values = np.asarray([curve.values[:length] for curve in seeds], dtype=float)
    if seeds[0].what == "score" or length < _WINDOW:
        return steps, values
    kernel = np.full(_WINDOW, 1 / _WINDOW)
    return steps[_WINDOW - 1 :], np.asarray([np.convolve(curve, kernel, mode="valid") for curve in values])


def _data(drawn: list[Curve]) -> Table:
    rows = [
        (c.source, c.what, c.method, c.seed, step, f"{value:.6g}")
        for c in drawn
        for step, value in zip(c.steps, c.values, strict=True)
    ]
    return Table([Column(name) for name in ("source", "what", "method", "seed", "step", "value")], rows)
