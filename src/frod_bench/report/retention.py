"""What tuned models have kept of another task: means over seeds, verdicts on the same rows, and a picture."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from frod_bench.escape import plot_text
from frod_bench.record.predictions import read_predictions
from frod_bench.record.retention_record import EPOCH, RetentionRecord, predictions_file
from frod_bench.report.paired.difference import Runs, difference
from frod_bench.report.paired.scores import is_known
from frod_bench.report.paired.tables import verdict_table
from frod_bench.report.paired.verdict import MARGIN, Pair, judge
from frod_bench.report.table import Column, Table
from frod_bench.report.variants import method_in

_OWN = "frod"  # the method that is compared with the others, in all its variants
_COLUMNS = (
    Column("tuned on", align="left"),
    Column("method", align="left"),
    Column("seeds"),
    Column("score there", lambda value: f"{100 * value:.2f}"),
    Column("kept", lambda value: f"{100 * value:.2f}"),
    Column("sd", lambda value: f"{100 * value:.2f}"),
    Column("change", lambda value: f"{100 * value:+.2f}", unit="points"),
)

Group = tuple[str, str, list[dict[str, Any]]]  # the task tuned on, the method, its results


def tables(record: RetentionRecord, folder: Path) -> list[Table]:
    """Return the means of every method, and the verdicts on FRoD against the others; `folder` has the predictions."""
    rows = []
    for trained_on, method, results in _groups(record):
        kept = [result["retained"] for result in results]
        spread = stdev(kept) if len(kept) > 1 else None
        own = fmean(result["own"] for result in results)
        rows.append([trained_on, method, len(results), own, fmean(kept), spread, fmean(kept) - record.base])
    named = ", ".join(f"{name} {value}" for name, value in record.setting.items())
    note = (
        f"score there: on the task tuned on. kept: {record.metric} on {record.rows:,} rows of {record.task}, which none"
        f" was tuned on, with a head fitted on the base's features of {record.head_rows:,} training rows; sd: over"
        f" seeds. change: against the base, which scores {100 * record.base:.2f}; the most frequent class is"
        f" {100 * record.largest_class:.1f} % of the rows."
    )
    found = [Table(_COLUMNS, rows, f"Kept of {record.task}: {named}", [note], "retention")]
    judged = [each for block in _blocks(record, folder) for each in judge(block, MARGIN)]
    return [*found, verdict_table(judged, MARGIN)] if judged else found


def _groups(record: RetentionRecord) -> Iterator[Group]:
    def key(result: dict[str, Any]) -> tuple[str, str]:
        return result["trained_on"], result["method"]

    for (trained_on, method), results in groupby(sorted(record.results, key=key), key=key):
        yield trained_on, method, sorted(results, key=lambda result: result["seed"])


def _blocks(record: RetentionRecord, folder: Path) -> Iterator[list[Pair]]:
    """Yield the pairs of each task tuned on and each variant of FRoD; several runs of one seed leave a method out."""
    if not is_known(record.metric):
        return
    for trained_on, groups in groupby(_groups(record), key=lambda group: group[0]):
        runs = {name: _runs(results, record, folder) for _, name, results in groups if _one_each_seed(results)}
        own = [name for name in runs if method_in(name) == _OWN]
        task = f"{record.task} after {trained_on}"
        for first in own:
            others = [name for name in runs if name not in own]
            block = [Pair(task, first, name, (difference(record.metric, runs[first], runs[name]),)) for name in others]
            if block:
                yield block


def _one_each_seed(results: list[dict[str, Any]]) -> bool:
    return len({result["seed"] for result in results}) == len(results)


def _runs(results: list[dict[str, Any]], record: RetentionRecord, folder: Path) -> Runs:
    files = [predictions_file(folder, result["digest"]) for result in results]
    read = [read_predictions(file, EPOCH, record.split) for file in files]
    seeds = tuple(result["seed"] for result in results)
    return Runs(seeds, read[0].labels, np.stack([each.predictions for each in read]))


def draw(record: RetentionRecord, folder: Path) -> list[Path]:
    """Draw what every run kept against what it scores on its own task; return the PNG, the SVG and the CSV.

    A panel for each task tuned on, a look for each method, a point for each seed; the line is the base.
    """
    from matplotlib.figure import Figure  # takes half a second

    from frod_bench.report.style import legend, looks, polish, save

    groups = list(_groups(record))
    tasks, methods = sorted({group[0] for group in groups}), sorted({group[1] for group in groups})
    styles = looks(methods)
    figure = Figure(figsize=(3.4 * max(len(tasks), 1) + 1.2, 3.2), layout="constrained")
    panels = figure.subplots(1, max(len(tasks), 1), squeeze=False, sharey=True)[0]
    for axes, task in zip(panels, tasks, strict=False):
        axes.axhline(100 * record.base, color="0.6", linewidth=0.8)
        for _, method, results in (group for group in groups if group[0] == task):
            x, y = ([100 * result[key] for result in results] for key in ("own", "retained"))
            axes.plot(x, y, label=plot_text(method), **styles[method] | {"linestyle": "none"})
        axes.set_title(plot_text(f"tuned on {task}, a point per seed"), loc="left", fontsize=8)
        axes.set_xlabel("score on it (%)")
        polish(axes)
    panels[0].set_ylabel(plot_text(f"kept of {record.task} (%)"))
    legend(figure, methods)
    return save(figure, folder, "retention", _data(record))


def _data(record: RetentionRecord) -> Table:
    names = ("trained_on", "method", "seed", "own", "retained")
    rows = [[result[name] for name in names] for _, _, results in _groups(record) for result in results]
    return Table([Column(name) for name in names], rows)
