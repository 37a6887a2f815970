"""A summary as a report: for the terminal, as Markdown, and as CSV."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from textwrap import shorten

from frod_bench.record import StoredRun
from frod_bench.report import table
from frod_bench.report.summary import Row, Section, Setting, Spread, Summary
from frod_bench.report.table import ABSENT, Column, Note, Table, percent
from frod_bench.report.tuning_tables import cost_values, costs

_DIGITS = 12  # of a record's digest
_MOST_CELLS = 100_000  # of a table of methods by tasks
_MIB = 2**20
ROW_COUNTS = "Training and evaluation rows"

_BEST = {
    "holdout": "the epoch that is best on held-out training rows",
    "last": "the best epoch on the evaluation split, which this selection does not report",
}
_BEST_DEFAULT = "the best epoch on the evaluation split, which is what the released code reports"


def mebibytes(size: int | None) -> float | None:
    """Return bytes in MiB."""
    return None if size is None else size / _MIB


def _spread(spread: Spread) -> str:
    return percent(spread.mean) if spread.std is None else f"{percent(spread.mean)} ± {percent(spread.std)}"


_TASK, _METHOD = Column("task", align="left"), Column("method", align="left")
_COLUMNS = (
    *(_TASK, _METHOD, Column("seeds"), Column("best", _spread), Column("final", _spread)),
    *(Column("trainable", "{:,}".format), Column("% of\nbackbone", "{:.2f}".format)),
    *(Column("tan\nalpha", "{:.3g}".format), Column("s/epoch", "{:.1f}".format)),
    Column("peak memory", "{:,.0f}".format, unit="MiB"),
)
_CSV_COLUMNS = tuple(
    Column(name)
    for name in (
        *Setting._fields,
        *("task", "method", "metric", "seeds", "best_mean", "best_std", "final_mean", "final_std"),
        "other_metrics",  # name=mean, several separated by spaces
        *("trainable", "pct_of_backbone", "tan_alpha", "s_per_epoch", "peak_memory_mib"),
        *("hours", "flops", "trials", "trials_diverged", "hours_of_trials", "flops_of_trials"),
        "records",  # the first digits of the digest of each record behind the row
    )
)
_INCOMPLETE = tuple(
    Column(name, align="left") for name in ("task", "method", "seed", "status", "epochs", "error", "directory")
)


def to_text(summary: Summary) -> str:
    """Return the tables for a terminal."""
    tables = [each for section in summary.sections for each in section_tables(section)]
    return "\n\n".join(map(table.to_text, [*tables, *incomplete_runs(summary)])) + "\n"


def to_markdown(summary: Summary) -> str:
    """Return the tables as a Markdown page."""
    blocks = ["# Runs"]
    for section in summary.sections:
        first, *others = section_tables(section)
        blocks += [table.to_markdown(first, level=2), *map(table.to_markdown, others)]
    blocks += [table.to_markdown(runs, level=2) for runs in incomplete_runs(summary)]
    return "\n\n".join(blocks) + "\n"


def to_csv(summary: Summary) -> str:
    """Return the rows as CSV: scores in percent, mean and standard deviation apart, absent values empty."""
    rows = [[*section.setting, *_csv_values(row)] for section in summary.sections for row in section.rows]
    return table.to_csv(Table(_CSV_COLUMNS, rows))


def section_tables(section: Section) -> list[Table]:
    """Return the tables of one setting, whose name is the first one's title; the legend is below the last one."""
    rows = [
        (
            *(row.task, row.method, row.seeds, row.best, row.final, row.trainable, row.pct_of_backbone),
            *(row.tan_alpha, row.s_per_epoch, mebibytes(row.peak_bytes)),
        )
        for row in section.rows
    ]
    tables = [Table(_COLUMNS, rows, str(section.setting)), *costs(section)]
    if len({row.task for row in section.rows}) > 1:
        scores = {(row.method, row.task): getattr(row, section.reported) for row in section.rows}
        tables.append(_matrix(f"{section.reported.capitalize()}, every method on every task:", scores))
    others = {(row.method, f"{row.task}\n{name}"): score for row in section.rows for name, score in row.others.items()}
    if others:
        tables.append(_matrix("Other metrics, at the same epochs:", others))
    *above, last = tables
    return [*above, replace(last, notes=(*last.notes, *_legend(section)))]


def incomplete_runs(summary: Summary) -> list[Table]:
    """Return the table of the runs that did not complete, [] where all did."""
    rows = [_incomplete_values(run) for run in summary.incomplete]
    return [Table(_INCOMPLETE, rows, "Runs that did not complete and are in no table")] if rows else []


def best_and_final(section: Section) -> str:
    """Say which epochs the two scores of a section's rows belong to."""
    once = section.setting.protocol == "fair"
    final = "the same epoch, as these runs read the evaluation rows once" if once else "the last epoch"
    return f"best: {_BEST.get(section.setting.selection, _BEST_DEFAULT)}. final: {final}"


def _csv_values(row: Row) -> list[str | int | float | None]:
    scores = [None if fraction is None else percent(fraction) for fraction in (*row.best, *row.final)]
    others = " ".join(f"{name}={percent(score.mean)}" for name, score in row.others.items())
    records = " ".join(run.record.digest.removeprefix("sha256:")[:_DIGITS] for run in row.runs)
    measured = ((row.tan_alpha, ".4g"), (row.s_per_epoch, ".2f"), (mebibytes(row.peak_bytes), ".1f"))
    spent = zip(cost_values(row), (".4g", ".4g", "", "", ".4g", ".4g"), strict=True)
    return [
        *(row.task, row.method, row.metric, row.seeds, *scores, others, row.trainable, row.pct_of_backbone),
        *(None if value is None else format(value, form) for value, form in (*measured, *spent)),
        records,
    ]


def _incomplete_values(run: StoredRun) -> list[str | int]:
    record = run.record
    error = shorten(record.error or ABSENT, width=100, placeholder=" …")
    return [record.task, record.method, record.seed, record.status, len(run.metrics), error, str(run.path)]


def _matrix(title: str, scores: Mapping[tuple[str, str], Spread]) -> Table:
    """Return the table of the score of every (method, column)."""
    columns = list(dict.fromkeys(column for _, column in scores))
    methods = sorted({method for method, _ in scores})
    if len(methods) * len(columns) > _MOST_CELLS:
        too_many = f"{len(methods):,} methods by {len(columns):,} columns are too many to show."
        return Table((), (), title, (too_many,))
    rows = [[method, *(scores.get((method, column)) for column in columns)] for method in methods]
    return Table([_METHOD, *(Column(column, _spread) for column in columns)], rows, title)


def _legend(section: Section) -> list[Note]:
    from frod_bench.report.paired.tables import headlines  # scipy takes a while to import

    tasks_of = defaultdict(list)
    for task, metric in {row.task: row.metric for row in section.rows}.items():
        tasks_of[metric].append(task)
    metrics = ", ".join(f"{metric} ({', '.join(tasks)})" for metric, tasks in tasks_of.items())
    kinds = sorted({str(run.record.memory["kind"]) for row in section.rows for run in row.runs})
    return [
        f"Scores: {metrics} in percent, mean ± sample standard deviation over the seeds.",
        f"{best_and_final(section)}.",
        f"tan alpha: mean over the layers after the last epoch. peak memory: {', '.join(kinds)}.",
        f"{ROW_COUNTS}: {section.row_counts}.",
        *(f"Data: {shorten(note, width=500, placeholder=' …')}" for note in section.notes),
        *headlines(section),
    ]
