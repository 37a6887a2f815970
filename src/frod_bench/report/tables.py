"""A summary as text: for the terminal, as Markdown, and as CSV."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from textwrap import fill, shorten

from frod_bench.escape import csv_cell
from frod_bench.record import StoredRun
from frod_bench.report.layout import Layout, lay_out, words
from frod_bench.report.summary import Row, Section, Spread, Summary

ABSENT = "—"
_DIGITS = 12
_CELLS = 100_000  # at most of a table of methods by tasks; more would be no table to read
_WIDTH = 110  # of a paragraph on a terminal

_COLUMNS = (
    "task",
    "method",
    "seeds",
    "best",
    "final",
    "trainable",
    "% of\nbackbone",
    "tan\nalpha",
    "s/epoch",
    "peak memory\n(MiB)",
)
_CSV_COLUMNS = (
    "profile",
    "protocol",
    "backbone",
    "selection",
    "data",
    "task",
    "method",
    "metric",
    "seeds",
    "best_mean",
    "best_std",
    "final_mean",
    "final_std",
    "other_metrics",  # name=mean, several separated by spaces
    "trainable",
    "pct_of_backbone",
    "tan_alpha",
    "s_per_epoch",
    "peak_memory_mib",
    "records",  # the first digits of the digest of each record behind the row
)
_BEST = {
    "holdout": "the epoch that is best on held-out training rows",
    "last": "the best epoch on the evaluation split, which this selection does not report",
}
_BEST_DEFAULT = "the best epoch on the evaluation split, which is what the released code reports"


def to_text(summary: Summary) -> str:
    """Return the tables for a terminal."""
    return _document(summary, "simple", heading="{}".format)


def to_markdown(summary: Summary) -> str:
    """Return the tables as a Markdown page."""
    return "# Runs\n\n" + _document(summary, "github", heading="## {}".format)


def to_csv(summary: Summary) -> str:
    """Return the rows as CSV: scores in percent, mean and standard deviation apart, absent values empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for section in summary.sections:
        for row in section.rows:
            writer.writerow(map(csv_cell, [*section.setting, *_csv_cells(row)]))
    return stream.getvalue()


def wrapped(text: str) -> str:
    """Return the text for a terminal: every line of it broken between words, those of a list indented."""
    lines = text.splitlines()
    indents = ["  " if line.startswith("- ") else "" for line in lines]
    broken = [
        fill(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
        for line, indent in zip(lines, indents, strict=True)
    ]
    return "\n".join(broken)


def best_and_final(section: Section) -> str:
    """Return which epochs the two scores of a section's rows are of."""
    return f"best: {_BEST.get(section.setting.selection, _BEST_DEFAULT)}. final: the last epoch"


def _csv_cells(row: Row) -> list[str | int]:
    scores = [_percent(value, absent="") for value in (*row.best, *row.final)]
    measured = (_number(row.tan_alpha, ".4g"), _number(row.s_per_epoch, ".2f"), _mib(row.peak_bytes, ".1f"))
    plain = ["" if cell == ABSENT else cell for cell in measured]
    records = " ".join(run.record.digest.removeprefix("sha256:")[:_DIGITS] for run in row.runs)
    others = " ".join(f"{name}={_percent(score.mean)}" for name, score in row.others.items())
    cells = [row.task, row.method, row.metric, row.seeds, *scores, others, row.trainable, row.pct_of_backbone]
    return [*cells, *plain, records]


def _document(summary: Summary, layout: Layout, heading: Callable[[object], str]) -> str:
    blocks = []
    for section in summary.sections:
        blocks.append(heading(words(str(section.setting), layout)))
        blocks.append(_table(map(_cells, section.rows), _COLUMNS, layout, left=2))
        if len({row.task for row in section.rows}) > 1:
            blocks.append(f"{section.reported.capitalize()}, every method on every task:")
            scores = {(row.method, row.task): getattr(row, section.reported) for row in section.rows}
            blocks.append(_matrix(scores, layout))
        others = {
            (row.method, f"{row.task}\n{name}"): score for row in section.rows for name, score in row.others.items()
        }
        if others:
            blocks.append("Other metrics, at the same epochs:")
            blocks.append(_matrix(others, layout))
        legend = [words(line, layout) for line in _legend(section)]
        blocks.append(wrapped("\n".join(legend)) if layout == "simple" else "\n\n".join(legend))
    if summary.incomplete:
        blocks.append(heading("Runs that did not complete and are in no table"))
        columns = ("task", "method", "seed", "status", "epochs", "error", "directory")
        blocks.append(_table(map(_incomplete_cells, summary.incomplete), columns, layout, left=7))
    return "\n\n".join(blocks) + "\n"


def _table(rows: Iterable[list[str]], headers: Sequence[str], layout: Layout, left: int) -> str:
    """Lay out cells that are already text; the first `left` columns are aligned left, the others right."""
    return lay_out(rows, headers, layout, [place >= left for place in range(len(headers))])


def _cells(row: Row) -> list[str]:
    return [
        row.task,
        row.method,
        str(row.seeds),
        _spread(row.best),
        _spread(row.final),
        f"{row.trainable:,}",
        f"{row.pct_of_backbone:.2f}",
        _number(row.tan_alpha, ".3g"),
        _number(row.s_per_epoch, ".1f"),
        _mib(row.peak_bytes, ",.0f"),
    ]


def _incomplete_cells(run: StoredRun) -> list[str]:
    record = run.record
    error = shorten(record.error or ABSENT, width=100, placeholder=" …")
    epochs = str(len(run.metrics))
    return [record.task, record.method, str(record.seed), record.status, epochs, error, str(run.path)]


def _matrix(scores: dict[tuple[str, str], Spread], layout: Layout) -> str:
    """Lay out the score of every (method, column)."""
    columns = list(dict.fromkeys(column for _, column in scores))
    cells = {key: _spread(score) for key, score in scores.items()}
    methods = sorted({method for method, _ in scores})
    if len(methods) * len(columns) > _CELLS:
        return f"{len(methods):,} methods by {len(columns):,} columns are too many to show."
    rows = [[method, *(cells.get((method, column), ABSENT) for column in columns)] for method in methods]
    return _table(rows, ["method", *columns], layout, left=1)


def _legend(section: Section) -> list[str]:
    metrics = defaultdict(list)
    for task, metric in {row.task: row.metric for row in section.rows}.items():
        metrics[metric].append(task)
    names = ", ".join(f"{metric} ({', '.join(tasks)})" for metric, tasks in metrics.items())
    kinds = sorted({str(run.record.memory["kind"]) for row in section.rows for run in row.runs})
    return [
        f"Scores: {names} in percent, mean ± sample standard deviation over the seeds.",
        f"{best_and_final(section)}.",
        f"tan alpha: mean over the layers after the last epoch. peak memory: {', '.join(kinds)}.",
        f"Rows that train and that judge: {section.rows_used}.",
        *(f"Data: {shorten(note, width=500, placeholder=' …')}" for note in section.notes),
    ]


def _spread(spread: Spread) -> str:
    mean = _percent(spread.mean)
    return mean if spread.std is None else f"{mean} ± {_percent(spread.std)}"


def _percent(value: float | None, absent: str = ABSENT) -> str:
    return absent if value is None else f"{100 * value:.2f}"


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)


def _mib(size: int | None, form: str) -> str:
    return ABSENT if size is None else format(size / 2**20, form)
