"""The page: its tables are written here, its charts and choices are drawn by the script inside it."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from frod_bench.escape import visible
from frod_bench.report import statistics_tables
from frod_bench.report.blocks import Block, blocks
from frod_bench.report.html.coverage import coverage
from frod_bench.report.html.data import MOST_RUNS, page_data
from frod_bench.report.leaders import leaders
from frod_bench.report.paired.words import signed
from frod_bench.report.style import COLOURS, places
from frod_bench.report.summary import Section, Setting, Summary
from frod_bench.report.table import ABSENT, Column, Table, percent, to_html
from frod_bench.report.tables import ROW_COUNTS, best_and_final, incomplete_runs, mebibytes

_HERE = Path(__file__).parent
_MOST_ROWS = 2_000  # of a table, and of the warnings
_MOST_CELLS = 100_000  # of a table of methods by tasks
_MOST_ENVIRONMENTS, _MOST_PACKAGES = 20, 100

_MOST_READ = 500  # runs whose predictions the summary reads
_SCRIPT = ("dom", "tables", "chart", "highlight", "curves", "tradeoffs", "angles", "differences", "start")

_METHOD = Column("method", align="left")
_RUNS = (
    *(Column("task", align="left"), _METHOD, Column("best", percent), Column("± std", percent)),
    *(Column("final", percent), Column("± std", percent), Column("seeds")),
    *(Column("trainable", "{:,}".format), Column("% of backbone", "{:.2f}".format), Column("tan α", "{:.3g}".format)),
    *(Column("s/epoch", "{:.1f}".format), Column("peak memory", "{:,.0f}".format, unit="MiB")),
)


def page(summary: Summary, title: str) -> str:
    """Return the whole report as one HTML document that loads nothing from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, finalize=_shown
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    runs = [run for section in summary.sections for row in section.rows for run in row.runs]
    every = [block for section in summary.sections for block in blocks(section)]
    parts = _titled(sorted(every, key=lambda block: -sum(row.seeds for row in block.section.rows)))
    looks = places(row.method for block in parts.values() for row in block.section.rows)
    read = sum(bool(run.record.predictions) for run in runs) <= _MOST_READ
    return environment.get_template("page.html").render(
        title=title,
        summary=summary,
        runs=len(runs),
        row_counts=ROW_COUNTS,
        parts=[(name, block, coverage(block), leaders(block, read)) for name, block in parts.items()],
        read=read,
        tables=lambda block: [_shortened(table) for table in _tables(block.section)],
        colour=lambda method: COLOURS[looks[method] % len(COLOURS)],
        incomplete=[_shortened(table) for table in incomplete_runs(summary)],
        html=lambda table: Markup(to_html(table)),
        percent=percent,
        signed=signed,
        environments=_environments(runs),
        one_by_one=MOST_RUNS,
        most=_MOST_ROWS,
        absent=ABSENT,
        data=_inline_json(page_data(parts, looks)),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup("\n".join((_HERE / f"script/{name}.js").read_text(encoding="utf-8") for name in _SCRIPT)),
    )


def _titled(every: list[Block]) -> dict[str, Block]:
    """Return the blocks by what tells them apart: backbone and protocol, and what else of the settings differs."""
    fields = {name: {getattr(block.section.setting, name) for block in every} for name in Setting._fields}
    shown = ["backbone", "protocol"]
    shown += [name for name, values in fields.items() if name not in shown and len(values) > 1]
    titled: dict[str, Block] = {}
    for block in every:
        name = ", ".join(filter(None, (*(getattr(block.section.setting, field) for field in shown), block.data)))
        titled[name if name not in titled else f"{name} ({len(titled)})"] = block
    return titled


def _tables(section: Section) -> list[Table]:
    return [*_matrix(section), _runs(section), *_others(section), *statistics_tables.section_tables(section)]


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shortened(table: Table) -> Table:
    """Return the table with no more rows than a page can take."""
    if len(table.rows) <= _MOST_ROWS:
        return table
    note = f"Here are the first {_MOST_ROWS:,} of {len(table.rows):,} rows; the CSV of --to DIR has all of them."
    return replace(table, rows=table.rows[:_MOST_ROWS], notes=(*table.notes, note))


def _inline_json(data: dict[str, Any]) -> Markup:
    """Return JSON that cannot close the script element around it."""
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _runs(section: Section) -> Table:
    rows = [
        (
            *(row.task, row.method, *row.best, *row.final, row.seeds),
            *(row.trainable, row.pct_of_backbone, row.tan_alpha, row.s_per_epoch, mebibytes(row.peak_bytes)),
        )
        for row in section.rows
    ]
    metrics = ", ".join(dict.fromkeys(row.metric for row in section.rows))
    note = (
        f"Scores ({metrics}) in percent, mean and sample standard deviation over the seeds. {best_and_final(section)}."
    )
    return Table(_RUNS, rows, "Runs", (note,), "runs")


def _matrix(section: Section) -> list[Table]:
    """Return every method on every task and the average where it ran on all, if there is more than one task."""
    tasks = list(dict.fromkeys(row.task for row in section.rows))
    if len(tasks) < 2 or len(tasks) * len({row.method for row in section.rows}) > _MOST_CELLS:
        return []
    means = {(row.method, row.task): getattr(row, section.reported).mean for row in section.rows}
    rows = []
    for method in dict.fromkeys(row.method for row in section.rows):
        scores = [means.get((method, task)) for task in tasks]
        known = [score for score in scores if score is not None]
        rows.append((method, *scores, sum(known) / len(known) if len(known) == len(tasks) else None))
    suite, without = _suite(tasks)
    columns = (_METHOD, *(Column(name, percent) for name in (*without, "average")))
    note = f"{section.reported}, mean over the seeds{suite}; an average only where every task was run."
    return [Table(columns, rows, "Every method on every task", (note,), "matrix")]


def _suite(tasks: list[str]) -> tuple[str, list[str]]:
    """Return what to say of the suite that all tasks are of, and their names without it."""
    suites = {task.rpartition("/")[0] for task in tasks}
    if len(suites) > 1 or suites == {""}:
        return "", tasks
    return f", tasks of {suites.pop()}", [task.rpartition("/")[2] for task in tasks]


def _others(section: Section) -> list[Table]:
    """Return the metrics that no other table shows, every method on every task, if a task has any."""
    keys = dict.fromkeys((row.task, name) for row in section.rows for name in row.others)
    methods = dict.fromkeys(row.method for row in section.rows)
    if not keys or len(keys) * len(methods) > _MOST_CELLS:
        return []
    means = {(row.method, row.task, name): score.mean for row in section.rows for name, score in row.others.items()}
    rows = [(method, *(means.get((method, *key)) for key in keys)) for method in methods]
    columns = (_METHOD, *(Column(f"{task} {name}", percent) for task, name in keys))
    note = f"At the epoch of {section.reported}, mean over the seeds, in percent."
    return [Table(columns, rows, "Other metrics", (note,), "others")]


def _environments(runs: list[Any]) -> list[tuple[dict[str, Any], int]]:
    """Return the most frequent environments, and how many runs each has."""
    runs_of: dict[str, list[Any]] = defaultdict(list)
    for run in runs:
        runs_of[json.dumps(run.record.environment, sort_keys=True)].append(run)
    frequent = sorted(runs_of.values(), key=len, reverse=True)[:_MOST_ENVIRONMENTS]
    environments = [group[0].record.environment for group in frequent]
    return [
        (environment | {"packages": dict(islice(environment["packages"].items(), _MOST_PACKAGES))}, len(group))
        for environment, group in zip(environments, frequent, strict=True)
    ]
