"""The learning curves of stored runs."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from frod_bench.escape import plot_text
from frod_bench.record import StoredRun
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.style import legend, looks, polish, save
from frod_bench.report.summary import Row, Section

_MOST_ROWS = 100  # of panels


def learning_curves(sections: list[Section], folder: Path) -> list[Path]:
    """Draw score and training loss by epoch into the folder as PNG and SVG; return the files.

    Each setting and task has a row of panels, at most 100 of them. A curve is the mean over the seeds, and its band
    reaches from the lowest to the highest seed.
    """
    panels = [(section, task) for section in sections for task in sorted({row.task for row in section.rows})]
    panels = panels[:_MOST_ROWS]
    methods = sorted({row.method for section, task in panels for row in section.rows if row.task == task})
    styles = looks(methods)

    figure = Figure(figsize=(7.2, 2.5 * len(panels) + 0.6), layout="constrained")
    for axes, (section, task) in zip(figure.subplots(len(panels), 2, squeeze=False), panels, strict=True):
        rows = [row for row in section.rows if row.task == task]
        axes[0].set_title(plot_text(f"{task}\n{', '.join(section.setting)}"), loc="left", fontsize=8)
        _draw(axes[0], rows, styles, plot_text(curve_label(rows[0].metric, section.setting.protocol)), _score)
        _draw(axes[1], rows, styles, "training loss", lambda run, line: line.get("train_loss"))
    legend(figure, methods)
    figure.supxlabel("line: mean over the seeds, band: from the lowest to the highest seed", fontsize=8)
    return save(figure, folder, "learning_curves")


def _score(run: StoredRun, line: dict[str, Any]) -> float | None:
    value = epoch_score(run, line)
    return None if value is None else 100 * value


def _draw(
    axes: Axes,
    rows: list[Row],
    styles: dict[str, dict[str, Any]],
    title: str,
    value: Callable[[StoredRun, dict[str, Any]], float | None],
) -> None:
    for row in rows:
        by_epoch = defaultdict(list)
        for run in row.runs:
            for line in run.metrics:
                if (y := value(run, line)) is not None:
                    by_epoch[line["epoch"]].append(y)
        epochs = sorted(by_epoch)
        style = styles[row.method]
        axes.plot(epochs, [np.mean(by_epoch[e]) for e in epochs], label=plot_text(row.method), **style)
        if row.seeds > 1:
            low, high = ([edge(by_epoch[e]) for e in epochs] for edge in (min, max))
            axes.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    polish(axes)
