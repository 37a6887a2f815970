"""The page: tables written here, charts and choices by the script inside it."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from frod_bench.escape import visible
from frod_bench.report.html.data import RUNS, page_data
from frod_bench.report.statistics_tables import ABSENT, Column, Table, tables
from frod_bench.report.summary import Section, Summary
from frod_bench.report.tables import best_and_final

_HERE = Path(__file__).parent
_ROWS = 2_000  # at most of a table, of the runs that did not complete, and of the warnings
_CELLS = 100_000  # at most of a table of methods by tasks
_ENVIRONMENTS, _PACKAGES = 20, 100

_RUNS = (
    *(Column("task", numeric=False), Column("method", numeric=False), Column("seeds")),
    *(Column("best", "{:.2f}".format), Column("± std", "{:.2f}".format)),
    *(Column("final", "{:.2f}".format), Column("± std", "{:.2f}".format)),
    *(Column("trainable", "{:,}".format), Column("% of backbone", "{:.2f}".format), Column("tan α", "{:.3g}".format)),
    *(Column("s/epoch", "{:.1f}".format), Column("peak MiB", "{:,.0f}".format)),
)


def page(summary: Summary, title: str) -> str:
    """Return the whole report as one HTML document that loads nothing from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, finalize=_shown
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    runs = [run for section in summary.sections for row in section.rows for run in row.runs]
    return environment.get_template("page.html").render(
        title=title,
        summary=summary,
        runs=len(runs),
        sections=[
            (section, [_shortened(t) for t in (_runs(section), *_matrix(section), *_others(section), *tables(section))])
            for section in summary.sections
        ],
        environments=_environments(runs),
        one_by_one=RUNS,
        most=_ROWS,
        absent=ABSENT,
        data=_inline_json(page_data(summary)),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
    )


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shortened(table: Table) -> Table:
    """Return the table with no more rows than a page can take."""
    if len(table.rows) <= _ROWS:
        return table
    note = (
        f"{table.note} Here are the first {_ROWS:,} of {len(table.rows):,} rows; the CSV of --to DIR has all of them."
    )
    return replace(table, rows=table.rows[:_ROWS], note=note)


def _inline_json(data: dict[str, Any]) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _runs(section: Section) -> Table:
    rows = [
        (
            *(row.task, row.method, row.seeds, *_percent(row.best), *_percent(row.final)),
            *(row.trainable, row.pct_of_backbone, row.tan_alpha, row.s_per_epoch),
            None if row.peak_bytes is None else row.peak_bytes / 2**20,
        )
        for row in section.rows
    ]
    metrics = ", ".join(dict.fromkeys(row.metric for row in section.rows))
    note = (
        f"Scores ({metrics}) in percent, mean and sample standard deviation over the seeds. {best_and_final(section)}."
    )
    return Table("runs", "Runs", _RUNS, rows, note)


def _matrix(section: Section) -> list[Table]:
    """Return every method on every task and the average where it ran on all, if there is more than one task."""
    tasks = list(dict.fromkeys(row.task for row in section.rows))
    if len(tasks) < 2 or len(tasks) * len({row.method for row in section.rows}) > _CELLS:
        return []
    shown = {(row.method, row.task): 100 * getattr(row, section.reported).mean for row in section.rows}
    rows = []
    for method in dict.fromkeys(row.method for row in section.rows):
        scores = [shown.get((method, task)) for task in tasks]
        rows.append((method, *scores, None if None in scores else sum(scores) / len(scores)))
    columns = [Column(name, "{:.2f}".format) for name in (*tasks, "average")]
    note = f"{section.reported}, mean over the seeds; an average only where every task was run."
    return [Table("matrix", "Every method on every task", (Column("method", numeric=False), *columns), rows, note)]


def _others(section: Section) -> list[Table]:
    """Return the metrics that no other table shows, every method on every task, if a task has any."""
    keys = dict.fromkeys((row.task, name) for row in section.rows for name in row.others)
    methods = dict.fromkeys(row.method for row in section.rows)
    if not keys or len(keys) * len(methods) > _CELLS:
        return []
    scores = {
        (row.method, row.task, name): 100 * score.mean for row in section.rows for name, score in row.others.items()
    }
    rows = [(method, *(scores.get((method, *key)) for key in keys)) for method in methods]
    columns = [Column(f"{task} {name}", "{:.2f}".format) for task, name in keys]
    note = f"At the epoch of {section.reported}, mean over the seeds, in percent."
    return [Table("others", "Other metrics", (Column("method", numeric=False), *columns), rows, note)]


def _percent(spread: tuple[float, float | None]) -> tuple[float, float | None]:
    mean, std = spread
    return 100 * mean, None if std is None else 100 * std


def _environments(runs: list[Any]) -> list[tuple[dict[str, Any], int]]:
    """Return the most frequent environments and how many runs each has."""
    counts: dict[str, list[Any]] = defaultdict(list)
    for run in runs:
        counts[json.dumps(run.record.environment, sort_keys=True)].append(run)
    frequent = sorted(counts.values(), key=len, reverse=True)[:_ENVIRONMENTS]
    packages = [dict(list(found[0].record.environment["packages"].items())[:_PACKAGES]) for found in frequent]
    return [
        (found[0].record.environment | {"packages": shown}, len(found))
        for found, shown in zip(frequent, packages, strict=True)
    ]
