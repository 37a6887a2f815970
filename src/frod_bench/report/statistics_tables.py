"""The statistics of stored runs as tables of plain values, and those as text, Markdown and CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from frod_bench.escape import csv_cell
from frod_bench.report.layout import Layout, lay_out, words
from frod_bench.report.statistics import Score, average_ranks, comparisons, convergence, estimates
from frod_bench.report.summary import Section, Setting, Summary
from frod_bench.report.tables import ABSENT, wrapped

Show = Callable[[Any], str]
_MOST_COMPARISONS = 10_000  # of a setting and score: every variant of FRoD with every variant of every baseline


class Column(NamedTuple):
    """The heading of a column and how a value of it is shown; `numeric` ones are aligned right."""

    name: str
    show: Show = str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """One table: `rows` hold the values as measured, None where there is none, a column each."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    note: str

    def shown(self) -> list[list[str]]:
        """Return the cells as text."""
        return [[_cell(column, value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]


def _cell(column: Column, value: Any) -> str:
    return ABSENT if value is None else column.show(value)


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


_TASK, _METHOD = Column("task", numeric=False), Column("method", numeric=False)
_SCORE = Column("score", numeric=False)
_INTERVAL = (Column("low", _percent), Column("high", _percent))
_ESTIMATES = (_TASK, _METHOD, _SCORE, Column("seeds"), Column("mean", _percent), Column("std", _percent), *_INTERVAL)
_COMPARISONS = (
    *(_TASK, _METHOD, Column("baseline", numeric=False), _SCORE, Column("pairs"), Column("difference", _points)),
    *(Column("low", _points), Column("high", _points), Column("p", _p), Column("p (Holm)", _p)),
)
_RANKS = (_METHOD, _SCORE, Column("average rank", "{:.2f}".format), Column("tasks"))
_CONVERGENCE = (
    *(_TASK, _METHOD, Column("of full_ft's best", "{:.0%}".format), Column("reached", numeric=False)),
    *(Column("epochs", "{:.1f}".format), Column("seconds", "{:.1f}".format), Column("FLOPs", "{:.2e}".format)),
)
_SCORES: tuple[Score, ...] = ("best", "final")


def statistics(summary: Summary) -> list[tuple[Setting, list[Table]]]:
    """Return the tables of every setting, which takes a while; the functions below lay them out."""
    return [(section.setting, tables(section)) for section in summary.sections]


def tables(section: Section) -> list[Table]:
    """Return the statistics of one setting; a table without rows is left out."""
    found = [_estimates(section), _comparisons(section), _ranks(section), _convergence(section)]
    return [table for table in found if table.rows]


def _estimates(section: Section) -> Table:
    rows = [
        (e.task, e.method, e.score, e.seeds, *e.spread, *(e.interval or (None, None)))
        for score in _SCORES
        for e in estimates(section, score)
    ]
    note = (
        "Percent. std: sample standard deviation over the seeds; low, high: 95 % percentile bootstrap of the mean,"
        " which is narrow rather than safe for few seeds."
    )
    return Table("scores", "Scores", _ESTIMATES, rows, note)


def _comparisons(section: Section) -> Table:
    found = [list(islice(comparisons(section, score), _MOST_COMPARISONS + 1)) for score in _SCORES]
    rows = [
        (c.task, c.method, c.baseline, c.score, c.pairs, c.difference, *(c.interval or (None, None)), c.p, c.p_holm)
        for of_score in found
        for c in of_score[:_MOST_COMPARISONS]
    ]
    cut = f" Only the first {_MOST_COMPARISONS:,} of each score: give a smaller FOLDER for the others."
    note = (cut if len(found[0]) > _MOST_COMPARISONS else "") + (
        "Points. A pair is one seed of both methods; over all tasks it is a task, with the means over its common"
        " seeds. p: two-sided sign-flip permutation test, exact up to 16 pairs and never below 2^(1 - pairs);"
        " p (Holm): adjusted for the number of baselines in the block."
    )
    return Table("comparisons", "FRoD against each baseline", _COMPARISONS, rows, note)


def _ranks(section: Section) -> Table:
    rows = [(r.method, r.score, r.rank, r.tasks) for score in _SCORES for r in average_ranks(section, score)]
    note = "1 is the best, ties share; over the tasks where every method ran, by the mean over the common seeds."
    return Table("ranks", "Average ranks", _RANKS, rows, note)


def _convergence(section: Section) -> Table:
    rows = [
        (c.task, c.method, c.share, f"{c.reached} of {c.seeds}", c.epochs, c.seconds, c.flops)
        for c in convergence(section)
    ]
    note = (
        "To the first evaluation at or above that share of full fine-tuning's best score of the same seed; means over"
        " the seeds that reached it. seconds: training alone, on the machine of the run; FLOPs: as counted in a typical"
        " step of each epoch (matrix products, attention, convolutions)."
    )
    return Table("convergence", "Cost of convergence", _CONVERGENCE, rows, note)


def to_text(found: list[tuple[Setting, list[Table]]]) -> str:
    """Return the statistics for a terminal."""
    return _document(found, "simple", "{}", "{}")


def to_markdown(found: list[tuple[Setting, list[Table]]]) -> str:
    """Return the statistics as a Markdown page."""
    return "# Statistics\n\n" + _document(found, "github", "## {}", "### {}")


def to_csv(found: list[tuple[Setting, list[Table]]]) -> dict[str, str]:
    """Return one CSV a kind of table by its name, values unrounded, each row with its setting."""
    streams: dict[str, io.StringIO] = {}
    for setting, of_setting in found:
        for table in of_setting:
            fresh = table.name not in streams
            writer = csv.writer(streams.setdefault(table.name, io.StringIO()), lineterminator="\n")
            if fresh:
                writer.writerow([*setting._fields, *(column.name for column in table.columns)])
            writer.writerows(map(csv_cell, [*setting, *row]) for row in table.rows)
    return {name: stream.getvalue() for name, stream in streams.items()}


def _document(found: list[tuple[Setting, list[Table]]], layout: Layout, heading: str, subheading: str) -> str:
    blocks = []
    for setting, of_setting in found:
        blocks.append(heading.format(words(str(setting), layout)))
        for table in of_setting:
            headers, numeric = [c.name for c in table.columns], [c.numeric for c in table.columns]
            blocks.append(subheading.format(table.title))
            blocks.append(lay_out(table.shown(), headers, layout, numeric))
            blocks.append(wrapped(table.note) if layout == "simple" else table.note)
    return "\n\n".join(blocks) + "\n"
