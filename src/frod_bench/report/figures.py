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
from frod_bench.report.blocks import blocks, highlighted
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.style import GREY, legend, looks, polish, save, seeds_in_words
from frod_bench.report.summary import Row, Section

_MOST_ROWS = 24  # of panels: more are neither read nor drawn within seconds
_OTHERS = "other methods"


def learning_curves(sections: list[Section], folder: Path) -> list[Path]:
    """Draw score and training loss by epoch into the folder as PNG and SVG; return the files.

    Each task of a setting, and of one number of training rows, has a row of panels. The first 24 are drawn, and the
    figure says if there are more. A curve is the mean over the seeds, and its band reaches from the lowest to the
    highest seed. Of many methods, FRoD, full fine-tuning, LoRA and the best one are in colour.
    """
    parts = [block for section in sections for block in blocks(section)]
    every = [(block, task) for block in parts for task in sorted(block.tasks)]
    panels = every[:_MOST_ROWS]
    styles = looks(row.method for block in parts for row in block.section.rows)
    figure = Figure(figsize=(7.2, 2.5 * len(panels) + 0.6), layout="constrained")
    shown: set[str] = set()
    for axes, (block, task) in zip(figure.subplots(len(panels), 2, squeeze=False), panels, strict=True):
        section = block.section
        rows = [row for row in section.rows if row.task == task]
        lit = highlighted({row.method: getattr(row, section.reported).mean for row in rows})
        shown |= lit
        setting = ", ".join(filter(None, (*section.setting, block.data)))
        title = f"{task}, {seeds_in_words(row.seeds for row in rows)}"
        axes[0].set_title(plot_text(f"{title}\n{setting}"), loc="left", fontsize=8)
        _draw(axes[0], rows, styles, lit, plot_text(curve_label(rows[0].metric, section.setting.protocol)), _score)
        _draw(axes[1], rows, styles, lit, "training loss", lambda run, line: line.get("train_loss"))
    grey = any(plot_text(_OTHERS) in axes.get_legend_handles_labels()[1] for axes in figure.axes)
    legend(figure, sorted(shown) + ([_OTHERS] if grey else []))
    note = "line: mean over the seeds, band: from the lowest to the highest seed"
    if len(every) > len(panels):
        note += f"\nthe first {len(panels)} of {len(every)}; report fewer folders, or use `report html`, for the others"
    figure.supxlabel(note, fontsize=8)
    return save(figure, folder, "learning_curves")


def _score(run: StoredRun, line: dict[str, Any]) -> float | None:
    value = epoch_score(run, line)
    return None if value is None else 100 * value


def _draw(
    axes: Axes,
    rows: list[Row],
    styles: dict[str, dict[str, Any]],
    lit: set[str],
    title: str,
    value: Callable[[StoredRun, dict[str, Any]], float | None],
) -> None:
    for row in sorted(rows, key=lambda row: row.method in lit):  # those in colour on top
        by_epoch = defaultdict(list)
        for run in row.runs:
            for line in run.metrics:
                if (y := value(run, line)) is not None:
                    by_epoch[line["epoch"]].append(y)
        epochs = sorted(by_epoch)
        means = [np.mean(by_epoch[e]) for e in epochs]
        if row.method not in lit:
            axes.plot(epochs, means, label=plot_text(_OTHERS), color=GREY, linewidth=1, zorder=1)
            continue
        style = styles[row.method]
        axes.plot(epochs, means, label=plot_text(row.method), **style)
        if row.seeds > 1:
            low, high = ([edge(by_epoch[e]) for e in epochs] for edge in (min, max))
            axes.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    polish(axes)
