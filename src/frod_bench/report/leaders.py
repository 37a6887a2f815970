"""The best method of every task, with its interval over seeds and the verdicts against the others."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from frod_bench.record import StoredRun
from frod_bench.report.blocks import Block
from frod_bench.report.paired.estimate import Estimate
from frod_bench.report.paired.pairs import pairs
from frod_bench.report.paired.verdict import LEVEL, MARGIN, Judged, judge
from frod_bench.report.summary import Row, Section

Interval = tuple[float, float]
_VERDICTS = {
    "worse": "better than",
    "better": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided against",
}


@dataclass(frozen=True)
class Leader:
    """The best method on one task, or on the mean of all; scores are fractions.

    `tried` counts the settings of the method on that task, of which this is the best. `verdicts` has the other methods,
    each by its best variant, by what the paired statistics say: "better than", "equivalent to" … It is empty without
    predictions, and `unpaired` then names the methods that have none.
    """

    task: str
    rows: tuple[int, int] | None  # for training and for evaluation
    method: str
    tried: int
    score: float
    interval: Interval | None
    seeds: int
    second: str | None
    lead: float | None
    verdicts: dict[str, list[str]]
    unpaired: list[str]


def leaders(block: Block, read: bool = True) -> list[Leader]:
    """Return the leader of every task and number of rows, and of their mean if there are several.

    The mean is over the methods that ran everywhere. Predictions are not read if `read` is false.
    """
    section, places = block.section, defaultdict(list)
    for row in section.rows:
        places[row.place].append(row)
    found = [_leader([[row] for row in rows], section, read) for rows in places.values()]
    whole = _everywhere(places.values())
    return found + ([_leader(whole, section, read)] if len(places) > 1 and whole else [])


def score_of(rows: Sequence[Row], reported: str) -> float:
    """Return the mean reported score of rows of different tasks."""
    return fmean(getattr(row, reported).mean for row in rows)


def interval_of(rows: Sequence[Row], reported: str) -> Interval | None:
    """Return the 95 % interval of that mean over seeds, on these tasks and evaluation rows; None for a single seed.

    Student's t; of several tasks with the degrees of freedom of Satterthwaite, as in `paired.difference`.
    """
    if any(row.seeds < 2 for row in rows):
        return None
    parts = [(variance(_scores(row.runs, reported)) / row.seeds, row.seeds - 1) for row in rows]
    total, spread = sum(part for part, _ in parts), sum(part**2 / degrees for part, degrees in parts)
    degrees = total**2 / spread if spread else 1.0
    low, high = Estimate(score_of(rows, reported), total / len(rows) ** 2, degrees).interval()
    return low, min(high, 1.0)


def _scores(runs: Sequence[StoredRun], reported: str) -> list[float]:
    return [run.record.reached(reported)["value"] for run in runs]


def _everywhere(places: Collection[list[Row]]) -> list[list[Row]]:
    """Return the rows of every method and variant that ran in all places."""
    by_name: dict[str, list[Row]] = defaultdict(list)
    for rows in places:
        for row in rows:
            by_name[row.method].append(row)
    return [rows for rows in by_name.values() if len(rows) == len(places)]


def _leader(candidates: list[list[Row]], section: Section, read: bool) -> Leader:
    """Judge candidates, each with a row for every task."""
    reported = section.reported
    ranked = sorted(candidates, key=lambda rows: -score_of(rows, reported))
    best_of = {rows[0].method_only: rows for rows in reversed(ranked)}
    best, own = ranked[0], ranked[0][0].method_only
    others = [rows for method, rows in best_of.items() if method != own]
    others.sort(key=lambda rows: -score_of(rows, reported))
    judged = list(_judged(best, others, section, len(candidates))) if read else []
    verdicts: dict[str, list[str]] = defaultdict(list)
    for each in judged:
        verdicts[_VERDICTS[each.verdict]].append(each.pair.method)
    paired = {each.pair.method for each in judged}
    samples = best[0].runs[0].record.samples
    return Leader(
        task=best[0].task if len(best) == 1 else f"mean of {len(best)} tasks",
        rows=(samples["train"], samples["eval"]) if len(best) == 1 else None,
        method=best[0].method,
        tried=sum(rows[0].method_only == own for rows in candidates),
        score=score_of(best, reported),
        interval=interval_of(best, reported),
        seeds=min(row.seeds for row in best),
        second=others[0][0].method if others else None,
        lead=score_of(best, reported) - score_of(others[0], reported) if others else None,
        verdicts={words: verdicts[words] for words in _VERDICTS.values() if words in verdicts},
        unpaired=[rows[0].method for rows in others if rows[0].method not in paired],
    )


def _judged(best: list[Row], others: list[list[Row]], section: Section, candidates: int) -> Iterator[Judged]:
    """Yield the verdicts on the other methods, with the best one as the baseline.

    As it is the best by these very scores, the level is that of all pairs of candidates, of which each pair can be
    chosen in one way only: 2 / candidates of the usual one, before Holm's adjustment for the others.
    """
    if not others or not any(run.record.predictions for row in best for run in row.runs):
        return
    rows = sorted((row for each in [best, *others] for row in each), key=lambda row: row.task)
    for block in pairs(Section(section.setting, rows), best[0].method_only).blocks:
        if len(block[0].differences) == len(best):
            yield from judge(block, MARGIN, LEVEL * 2 / max(2, candidates))
