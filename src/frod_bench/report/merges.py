"""Merged models as tables and a figure: each task's score beside that of the run on this task alone."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from frod_bench.escape import plot_text
from frod_bench.record.merge_record import MergeRecord, merged_score, share_of
from frod_bench.report.published_merges import beside_published
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
    Column("sd", lambda value: f"{100 * value:.2f}"),
    Column("share", lambda value: f"{100 * value:.1f}", unit="%"),
)
_MEANS = (
    *(Column(name, align="left") for name in ("how", "method")),
    Column("merges"),
    *(Column(name, lambda value: f"{100 * value:.2f}") for name in ("alone", "merged")),
    Column("share", lambda value: f"{100 * value:.1f}", unit="%"),
)
_SHARE = "alone: the run on this task; share: merged over alone."
_DRAWN = " merged: the mean over several draws; sd: their standard deviation."
_CHOSEN = " Scales were chosen on held-out training rows."


def merge_tables(records: Sequence[MergeRecord], published: Path) -> list[Table]:
    """Return a table for each setting, with a row for each merge and task, and one for the mean of each merge.

    Several merges of a setting also get a table of their means, by how they were made and what was merged.

    Merges of the tasks and backbone of the published rows in the folder `published` come beside those as well.
    """
    ordered = sorted(records, key=lambda record: list(record.setting.items()))
    found: list[Table] = []
    for setting, same in groupby(ordered, key=lambda record: record.setting):
        own = list(same)
        found += [_means(setting, own), _table(setting, own)] if len(own) > 1 else [_table(setting, own)]
    beside = beside_published(records, published)
    return found if beside is None else [*found, beside]


def _means(setting: dict[str, str], records: list[MergeRecord]) -> Table:
    """Return the means over the merges of the same tasks in the same way, such as those of several seeds."""

    def key(record: MergeRecord) -> tuple[str, str, list[str]]:
        return record.how, record.name, [result["task"] for result in record.results]

    rows = []
    for (how, name, _), same in groupby(sorted(records, key=key), key=key):
        own = list(same)
        results = [result for record in own for result in record.results]
        shares = [record.mean_share for record in own]
        alone, merged = fmean(result["single"] for result in results), fmean(map(merged_score, results))
        known = [share for share in shares if share is not None]
        rows.append([how, name, len(own), alone, merged, fmean(known) if len(known) == len(own) else None])
    named = ", ".join(f"{key} {value}" for key, value in setting.items())
    return Table(_MEANS, rows, f"Means over merges: {named}", ["Over tasks, then over merges."], "merge-means")


def _table(setting: dict[str, str], records: list[MergeRecord]) -> Table:
    rows = [row for record in records for row in _rows(record)]
    chosen = any(result.get("holdout") for record in records for result in record.results)
    drawn = any(result.get("draws") for record in records for result in record.results)
    named = ", ".join(f"{name} {value}" for name, value in setting.items())
    note = _SHARE + _CHOSEN * chosen + _DRAWN * drawn
    columns = [column for column in _COLUMNS if drawn or column.name != "sd"]
    body = [[row.get(column.name) for column in columns] for row in rows]
    return Table(columns, body, f"Merged models: {named}", [note], "merges")


def _rows(record: MergeRecord) -> list[dict[str, Any]]:
    """Return the values by column: of every task, and the mean."""
    made = {"how": record.how, "scale": record.scale, "density": record.density}
    keys = ("method", "seed", "task", "metric")
    rows = [
        made
        | {key: result[key] for key in keys}
        | {"alone": result["single"], "merged": merged_score(result), "sd": _deviation(result)}
        | {"share": share_of(result)}
        for result in record.results
    ]
    mean = made | {"method": record.name, "task": "mean", "metric": "", "share": record.mean_share}
    mean["alone"] = fmean(result["single"] for result in record.results)
    mean["merged"] = fmean(map(merged_score, record.results))
    return [*rows, mean]


def _deviation(result: dict[str, Any]) -> float | None:
    return stdev(result["draws"]) if len(result.get("draws") or []) > 1 else None


def draw(records: Sequence[MergeRecord], folder: Path) -> list[Path]:
    """Draw the mean share of every merge, by how it was made, a look per method; return the PNG, the SVG and the CSV.

    A panel for each setting; a point is one merge, and a line at 100 % is what the runs score alone.
    """
    from matplotlib.figure import Figure  # takes half a second

    from frod_bench.report.style import legend, looks, polish, save

    known = [record for record in records if record.mean_share is not None]
    settings = list(dict.fromkeys(tuple(record.setting.values()) for record in known))
    hows = list(dict.fromkeys(record.how for record in known))
    methods = sorted({record.name for record in known})
    kinds = {record.name: _as_variant(record) for record in known}  # a label has the colour of its method
    of_kind = looks(kinds.values())
    styles = {name: of_kind[kind] for name, kind in kinds.items()}
    figure = Figure(figsize=(6.4, 2.7 * len(settings) + 0.6), layout="constrained")
    for axes, setting in zip(figure.subplots(len(settings), 1, squeeze=False).flat, settings, strict=True):
        axes.axhline(100, color="0.6", linewidth=0.8)
        for place, method in enumerate(methods):
            own = [r for r in known if tuple(r.setting.values()) == setting and r.name == method]
            x = [hows.index(r.how) + 0.6 * ((place + 0.5) / len(methods) - 0.5) for r in own]
            y = [100 * r.mean_share for r in own if r.mean_share is not None]
            axes.plot(x, y, label=plot_text(method), **styles[method] | {"linestyle": "none"})
        axes.set_xticks(range(len(hows)), [plot_text(how) for how in hows])
        axes.set_xlim(-0.5, len(hows) - 0.5)
        axes.set_ylabel("merged over alone (%)")
        axes.set_title(plot_text(", ".join(setting)), loc="left", fontsize=8)
        polish(axes)
    legend(figure, methods)
    return save(figure, folder, "merges", _data(known))


def _data(records: Sequence[MergeRecord]) -> Table:
    columns = ("setting", "how", "scale", "method", "mean_share")
    rows = [[", ".join(r.setting.values()), r.how, r.scale, r.name, r.mean_share] for r in records]
    return Table([Column(name) for name in columns], rows)


def _as_variant(record: MergeRecord) -> str:
    """Return the label as a variant of the method of all runs, "frod, label=FRoD per task"; of several, the name."""
    methods = {result["method"] for result in record.results}
    return f"{methods.pop()}, label={record.label}" if record.label and len(methods) == 1 else record.name
