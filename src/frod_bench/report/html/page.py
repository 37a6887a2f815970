"""The page: tables written here, charts and choices by the script inside it."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from frod_bench.report.html.data import page_data
from frod_bench.report.statistics_tables import ABSENT, Column, Table, tables
from frod_bench.report.summary import Section, Summary
from frod_bench.report.tables import best_and_final

_HERE = Path(__file__).parent

_RUNS = (
    *(Column("task", numeric=False), Column("method", numeric=False), Column("seeds")),
    *(Column("best", "{:.2f}".format), Column("± std", "{:.2f}".format)),
    *(Column("final", "{:.2f}".format), Column("± std", "{:.2f}".format)),
    *(Column("trainable", "{:,}".format), Column("% of backbone", "{:.2f}".format), Column("tan α", "{:.3g}".format)),
    *(Column("s/epoch", "{:.1f}".format), Column("peak MiB", "{:,.0f}".format)),
)


def page(summary: Summary, title: str) -> str:
    """Return the whole report as one HTML document that loads nothing from elsewhere."""
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    runs = [run for section in summary.sections for row in section.rows for run in row.runs]
    return environment.get_template("page.html").render(
        title=title,
        summary=summary,
        runs=len(runs),
        sections=[
            (section, [_runs(section), *_matrix(section), *_others(section), *tables(section)])
            for section in summary.sections
        ],
        environments=_environments(runs),
        absent=ABSENT,
        data=_inline_json(page_data(summary)),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((_HERE / "page.js").read_text(encoding="utf-8")),
    )


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
    if len(tasks) < 2:
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
    if not keys:
        return []
    scores = {
        (row.method, row.task, name): 100 * score.mean for row in section.rows for name, score in row.others.items()
    }
    methods = dict.fromkeys(row.method for row in section.rows)
    rows = [(method, *(scores.get((method, *key)) for key in keys)) for method in methods]
    columns = [Column(f"{task} {name}", "{:.2f}".format) for task, name in keys]
    note = f"At the epoch of {section.reported}, mean over the seeds, in percent."
    return [Table("others", "Other metrics", (Column("method", numeric=False), *columns), rows, note)]


def _percent(spread: tuple[float, float | None]) -> tuple[float, float | None]:
    mean, std = spread
    return 100 * mean, None if std is None else 100 * std


def _environments(runs: list[Any]) -> list[tuple[dict[str, Any], int]]:
    """Return the different environments and how many runs each has."""
    counts: dict[str, list[Any]] = defaultdict(list)
    for run in runs:
        counts[json.dumps(run.record.environment, sort_keys=True)].append(run)
    return [(found[0].record.environment, len(found)) for found in counts.values()]
