"""Paired verdicts as a table, with each in words."""

from collections.abc import Sequence
from dataclasses import replace

from frod_bench.report.paired.pairs import pairs
from frod_bench.report.paired.verdict import MARGIN, Judged, judge
from frod_bench.report.paired.words import points, sentence
from frod_bench.report.summary import Section
from frod_bench.report.table import Bullets, Column, Note, Table, to_text

_MOST_SENTENCES = 40
_MOST_RUNS = 500  # whose predictions a table of scores reads
_COLUMNS = (
    *(Column(name, align="left") for name in ("task", "method", "baseline", "verdict")),
    *(Column(name, lambda value: f"{100 * value:+.2f}") for name in ("difference", "low", "high")),
    *(
        Column(name, lambda p: "< 0.0001" if p < 1e-4 else f"{p:.4f}")
        for name in ("p (Holm)", "p of equivalence (Holm)")
    ),
    *(Column("seeds"), Column("rows", "{:,}".format), Column("discordance", lambda value: f"{100 * value:.1f}")),
    Column("shows", lambda value: f"{100 * value:.2f}"),
)


def verdicts(section: Section, margin: float = MARGIN, baseline: str | None = None) -> Table:
    """Return the verdicts on one setting; without rows if no two methods have predictions on the same task.

    `margin` is a fraction. Every variant of FRoD is compared with all other methods, or all others with `baseline`.
    """
    found = pairs(section, baseline)
    judged = [each for block in found.blocks for each in judge(block, margin)]
    remarks: list[Note] = []
    if section.setting.selection == "best_on_eval":
        remarks.append(
            "The reported epoch of every run was chosen on these very rows, which favours methods that vary more from"
            " epoch to epoch. selection=holdout chooses it elsewhere."
        )
    table = verdict_table(judged, margin, remarks)
    return replace(table, notes=[*table.notes, Bullets("Not compared:", found.remarks)]) if found.remarks else table


def verdict_table(judged: list[Judged], margin: float, remarks: Sequence[Note] = ()) -> Table:
    """Return verdicts as a table, and in words."""
    rows = [
        (
            *(each.pair.task, each.pair.method, each.pair.baseline, each.verdict, each.pair.estimate.value),
            *(*each.pair.estimate.interval(), each.p, each.p_equivalent),
            *(each.pair.seeds, each.pair.rows, each.pair.discordance, each.detectable),
        )
        for each in judged
    ]
    explained = (
        "Points, on the same rows, at the reported epoch. low, high: 95 % interval over rows and seeds; on a mean of"
        " tasks, for these tasks. p (Holm): of no difference, adjusted for the number of pairs in the block;"
        f" p of equivalence: of a difference of at least {points(margin)}, so that a small one shows equivalence."
        " discordance: percent of rows that only one of two runs gets right. shows: the smallest true difference found"
        " with probability 0.8, at the level of Holm's first step."
    )
    told = _means_first(judged)[:_MOST_SENTENCES]
    lead = "In words:" if len(told) == len(judged) else f"The first {len(told)} in words:"
    notes = [explained, *remarks, Bullets(lead, [*map(sentence, told)])]
    return Table(_COLUMNS, rows, f"Paired verdicts, margin {points(margin)}", notes, "verdicts")


def headlines(section: Section, margin: float = MARGIN) -> list[Note]:
    """Return the verdicts on the mean over tasks, or on the only task, in words: notes below a table of scores."""
    runs = [run for row in section.rows for run in row.runs]
    if not any(run.record.predictions for run in runs):
        return []
    if len(runs) > _MOST_RUNS:
        return ["For verdicts on the same rows: frod-bench report stats"]
    judged = _means_first([each for block in pairs(section).blocks for each in judge(block, margin)])
    told = [each for each in judged if len(each.pair.differences) == len(judged[0].pair.differences)]
    lead = f"On the same rows, with a margin of {points(margin)}:"
    return [Bullets(lead, [*map(sentence, told[:_MOST_SENTENCES])])] if told else []


def headlines_to_text(section: Section) -> str:
    """Return the same for a terminal, "" if there are none."""
    notes = headlines(section)
    return to_text(Table((), (), str(section.setting), notes)) + "\n" if notes else ""


def _means_first(judged: list[Judged]) -> list[Judged]:
    """Return the verdicts on the means over most tasks first."""
    return sorted(judged, key=lambda each: -len(each.pair.differences))
