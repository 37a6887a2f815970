"""Paired verdicts as a table, with each in words."""

from frod_bench.report.paired.pairs import pairs
from frod_bench.report.paired.verdict import MARGIN, judge
from frod_bench.report.paired.words import points, sentence
from frod_bench.report.summary import Section
from frod_bench.report.table import Bullets, Column, Note, Table

_MOST_SENTENCES = 40
_COLUMNS = (
    *(Column(name, align="left") for name in ("task", "method", "baseline", "verdict")),
    *(Column(name, lambda value: f"{100 * value:+.2f}") for name in ("difference", "low", "high")),
    *(Column(name, lambda p: "< 0.0001" if p < 1e-4 else f"{p:.4f}") for name in ("p (Holm)", "p of more (Holm)")),
    *(Column("seeds"), Column("rows", "{:,}".format), Column("discordance", lambda value: f"{100 * value:.1f}")),
    Column("shows", lambda value: f"{100 * value:.2f}"),
)


def verdicts(section: Section, margin: float = MARGIN, baseline: str | None = None) -> Table:
    """Return the verdicts on one setting; without rows if no two methods have predictions on the same task.

    `margin` is a fraction. Every variant of FRoD is compared with all other methods, or all others with `baseline`.
    """
    found = pairs(section, baseline)
    judged = [each for block in found.blocks for each in judge(block, margin)]
    rows = [
        (
            *(each.pair.task, each.pair.method, each.pair.baseline, each.verdict, each.pair.estimate.value),
            *(*each.pair.estimate.interval(), each.p, each.p_equivalent),
            *(each.pair.seeds, each.pair.rows, each.pair.discordance, each.detectable),
        )
        for each in judged
    ]
    notes: list[Note] = [
        "Points, on the same rows, at the reported epoch. low, high: 95 % interval over rows and seeds; on a mean of"
        " tasks, for these tasks. p (Holm): of no difference, adjusted for the number of pairs in the block;"
        f" p of more (Holm): of a difference of at least {points(margin)}, so that a small one shows equivalence."
        " discordance: percent of rows that only one of two runs gets right. shows: the smallest true difference found"
        " with probability 0.8, at the level of Holm's first step."
    ]
    if section.setting.selection == "best_on_eval":
        notes.append(
            "The reported epoch of every run was chosen on these very rows, which favours methods that vary more from"
            " epoch to epoch. selection=holdout chooses it elsewhere."
        )
    # the means over tasks first
    told = sorted(judged, key=lambda each: len(each.pair.differences) == 1)[:_MOST_SENTENCES]
    notes.append(
        Bullets("In words:" if len(told) == len(judged) else f"The first {len(told)} in words:", [*map(sentence, told)])
    )
    if found.remarks:
        notes.append(Bullets("Not compared:", found.remarks))
    return Table(_COLUMNS, rows, f"Paired verdicts, margin {points(margin)}", notes, "verdicts")
