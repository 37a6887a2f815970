"""The statistics of stored runs as tables, and those as text, Markdown and CSV."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import filterfalse, islice

from frod_bench.escape import one_line
from frod_bench.report import table
from frod_bench.report.convergence import convergence
from frod_bench.report.paired.pairs import mean_of_tasks
from frod_bench.report.paired.tables import verdicts
from frod_bench.report.paired.verdict import MARGIN
from frod_bench.report.sooner import sooner
from frod_bench.report.statistics import (
    ALL_TASKS,
    PairedComparison,
    Score,
    average_ranks,
    estimates,
    paired_comparisons,
)
from frod_bench.report.summary import Section, Setting, Summary
from frod_bench.report.table import Column, Table, percent
from frod_bench.report.tuning_tables import best_after_trials, costs

_MOST_COMPARISONS = 10_000  # of a setting and score: every variant of FRoD with every variant of every baseline


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


_TASK, _METHOD = Column("task", align="left"), Column("method", align="left")
_SCORE = Column("score", align="left")
_INTERVAL = (Column("low", percent), Column("high", percent))
_ESTIMATES = (_TASK, _METHOD, _SCORE, Column("seeds"), Column("mean", percent), Column("std", percent), *_INTERVAL)
_COMPARISONS = (
    *(_TASK, _METHOD, Column("baseline", align="left"), _SCORE, Column("pairs"), Column("difference", _points)),
    *(Column("low", _points), Column("high", _points), Column("p", _p), Column("p (Holm)", _p)),
)
_RANKS = (_METHOD, _SCORE, Column("average rank", "{:.2f}".format), Column("tasks"))
_CONVERGENCE = (
    *(_TASK, _METHOD, Column("of full_ft's best", "{:.0%}".format), Column("reached", align="left")),
    *(Column("epochs", "{:.1f}".format), Column("seconds", "{:.1f}".format), Column("FLOPs", "{:.2e}".format)),
)
_SETTING = tuple(Column(name) for name in Setting._fields)
_SCORES: tuple[Score, ...] = ("best", "final")

Statistics = list[tuple[Setting, list[Table]]]


def statistics(summary: Summary, margin: float = MARGIN, baseline: str | None = None) -> Statistics:
    """Compute the tables of every setting, which takes a while; for `margin` and `baseline` see `paired.tables`."""
    return [(section.setting, section_tables(section, margin, baseline)) for section in summary.sections]


def section_tables(section: Section, margin: float = MARGIN, baseline: str | None = None) -> list[Table]:
    """Return the statistics of one setting, without the tables that have no rows."""
    paired = verdicts(section, margin, baseline)
    tables = [_estimates(section), *costs(section), paired, _unpaired(section, paired, baseline)]
    tables += [_ranks(section), _convergence(section), sooner(section, margin), best_after_trials(section)]
    return [each for each in tables if each.rows]


def to_text(computed: Statistics) -> str:
    """Return the statistics for a terminal."""
    blocks = [block for setting, tables in computed for block in (one_line(str(setting)), *map(table.to_text, tables))]
    return "\n\n".join(blocks) + "\n"


def to_markdown(computed: Statistics) -> str:
    """Return the statistics as a Markdown page."""
    blocks = ["# Statistics"]
    for setting, tables in computed:
        blocks.append(table.markdown_heading(str(setting), level=2))
        blocks += [table.to_markdown(each, level=3) for each in tables]
    return "\n\n".join(blocks) + "\n"


def to_csv(computed: Statistics) -> dict[str, str]:
    """Return one CSV for each kind of table, by its name; every row begins with its setting."""
    kinds: dict[str, list[Table]] = defaultdict(list)
    for setting, tables in computed:
        for each in tables:
            columns, rows = (*_SETTING, *each.columns), [(*setting, *row) for row in each.rows]
            kinds[each.name].append(replace(each, columns=columns, rows=rows))
    return {
        name: table.to_csv(replace(tables[0], rows=[row for each in tables for row in each.rows]))
        for name, tables in kinds.items()
    }


def _estimates(section: Section) -> Table:
    rows = [
        (e.task, e.method, e.score, e.seeds, *e.spread, *(e.interval or (None, None)))
        for score in _SCORES
        for e in estimates(section, score)
    ]
    note = (
        "Percent. std: sample standard deviation over the seeds; low, high: 95 % percentile bootstrap of the mean,"
        " which is too narrow for few seeds."
    )
    return Table(_ESTIMATES, rows, "Scores", (note,), "scores")


def _unpaired(section: Section, paired: Table, baseline: str | None) -> Table:
    """Return FRoD against each baseline by the scores alone, without the pairs that have a verdict on their rows."""
    is_paired = _has_verdict(section, paired, baseline)
    by_score = [
        list(islice(filterfalse(is_paired, paired_comparisons(section, score)), _MOST_COMPARISONS + 1))
        for score in _SCORES
    ]
    rows = [
        (c.task, c.method, c.baseline, c.score, c.pairs, c.difference, *(c.interval or (None, None)), c.p, c.p_holm)
        for comparisons in by_score
        for c in comparisons[:_MOST_COMPARISONS]
    ]
    note = (
        "Only what the paired verdicts leave out, mostly runs without predictions per row: scores are compared seed by"
        " seed, so that the sampling error of the evaluation rows is not in the intervals. Points. A pair is one seed"
        " of both methods; over all tasks it is a task, with the means over its common seeds. p: two-sided sign-flip"
        " permutation test, exact up to 16 pairs and never below 2^(1 - pairs); p (Holm): adjusted for the number of"
        " baselines in the block."
    )
    runs = [run for row in section.rows for run in row.runs]
    if without := sum(not run.record.predictions for run in runs):
        note += f" {without} of {len(runs)} runs have no predictions per row."
    if len({row.place for row in section.rows}) > len({row.task for row in section.rows}):
        note += " Methods with different numbers of training or evaluation rows are not compared."
    if len(by_score[0]) > _MOST_COMPARISONS:
        note = f"Only the first {_MOST_COMPARISONS:,} of each score: give a smaller FOLDER for the others. {note}"
    return Table(_COMPARISONS, rows, "FRoD against each baseline, unpaired", (note,), "comparisons")


def _has_verdict(section: Section, paired: Table, baseline: str | None) -> Callable[[PairedComparison], bool]:
    """Return what tells whether a comparison has a verdict, or would have one without `baseline`."""
    tasks = {row.task for row in section.rows}
    stored = {(row.task, row.method) for row in section.rows if all(run.record.predictions for run in row.runs)}
    judged = {(task, method, other) for task, method, other, *_ in paired.rows}

    def is_paired(c: PairedComparison) -> bool:
        over = tasks if c.task == ALL_TASKS else {c.task}
        if baseline is not None and {(task, name) for task in over for name in (c.method, c.baseline)} <= stored:
            return True
        names = {mean_of_tasks(c.pairs)} if c.task == ALL_TASKS and c.pairs > 1 else over
        return any((name, c.method, c.baseline) in judged for name in names)

    return is_paired


def _ranks(section: Section) -> Table:
    rows = [(r.method, r.score, r.rank, r.tasks) for score in _SCORES for r in average_ranks(section, score)]
    note = "1 is the best and ties share a rank. Over the tasks that every method ran, by the mean over common seeds."
    return Table(_RANKS, rows, "Average ranks", (note,), "ranks")


def _convergence(section: Section) -> Table:
    rows = [
        (c.task, c.method, c.share, f"{c.reached} of {c.seeds}", c.epochs, c.seconds, c.flops)
        for c in convergence(section)
    ]
    where = " on held-out rows" if section.setting.protocol == "fair" else ""
    note = (
        f"To the first evaluation{where} at or above that share of full fine-tuning's best score of the same seed;"
        " means over the seeds that reached it. seconds: training alone, on the machine of the run; FLOPs: as counted"
        " in a typical step of each epoch (matrix products, attention, convolutions)."
    )
    return Table(_CONVERGENCE, rows, "Cost of convergence", (note,), "convergence")
