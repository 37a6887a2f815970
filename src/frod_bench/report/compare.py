"""Our runs compared with a table of the paper: one verdict per cell, by a fixed rule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from frod_bench.record import StoredRun
from frod_bench.report.paper import AVERAGE, PaperTable

REPRODUCED, DIFFERS, NOT_RUN = "reproduced", "differs", "not run"
NOT_COMPARABLE, OTHER_PROTOCOL, OTHER_DATA = "not comparable", "other protocol", "other data"
RULE = (
    "Verdict: `reproduced` where ours and the paper's number differ by no more than the margin, the larger of two"
    " errors: 1.96 sqrt(p (1 - p) / N), the sampling error of the paper's share p over N evaluation rows, and, from"
    " three seeds on, half the 95 % interval over our seeds (Student's t; with two seeds it is nine standard deviations"
    " wide and nearly everything would pass). `differs` otherwise, and `not run` without a run. Three verdicts say that"
    " ours is another experiment than the paper's. `not comparable`: another backbone, or a profile other than paper."
    " `other protocol`: an override changes a setting of the table; or a row marked † (quoted from Fan et al. 2025, who"
    " used protocol=goat) was run under another protocol, or an unmarked row under goat; or commonsense was run under"
    " protocol=goat or paper, which train one model on Commonsense170K, where each column here has its own model."
    " `other data`: not the official splits, a part of them (as selection=holdout leaves), or a part of the tasks."
)
_CITED_PROTOCOL = "goat"
_PROTOCOLS_OF_A_MIXTURE = ("goat", "paper")  # one commonsense model gives all six columns
_SEEDS_OF_AN_INTERVAL = 3  # the fewest whose interval counts in a verdict
_Z = 1.959964  # 97.5 % of a normal distribution

# row of the table: column: the runs of its seeds
RunsByCell = dict[str, dict[str, list[StoredRun]]]


@dataclass(frozen=True)
class TableSlice:
    """The part of a table to compare: `rows` by their printed names, and `columns`, which are tasks.

    Without `epochs` each task is a column, and their mean is another; with `epochs` a column is the mean over the
    tasks at one epoch. `whole_table`: no task is left out. `whole_data`: no limit on rows (max_train, max_eval).
    `overridden`: the cells have other settings than the table's own.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    epochs: tuple[int, ...] = ()
    whole_table: bool = True
    whole_data: bool = True
    overridden: bool = False


@dataclass(frozen=True)
class ComparedCell:
    """A cell: the paper's score and ours by seed, in percent.

    `final` holds the scores of the last epoch, and is empty where the column itself names an epoch. `sampling` is the
    sampling error of the evaluation rows in points, `trainable` a percentage of the backbone.
    """

    row: str
    column: str
    paper: float | None
    ours: dict[int, float]
    final: dict[int, float]
    sampling: float | None
    trainable: float | None
    verdict: str

    @property
    def mean(self) -> float | None:
        """The mean over our seeds."""
        return fmean(self.ours.values()) if self.ours else None

    @property
    def interval(self) -> float | None:
        """Half the 95 % interval of the mean, None for fewer than two seeds."""
        return half_interval(list(self.ours.values()))

    @property
    def margin(self) -> float | None:
        """The largest difference that still counts as `reproduced`, None where there is no score to compare."""
        if self.sampling is None:
            return None
        interval = self.interval if len(self.ours) >= _SEEDS_OF_AN_INTERVAL else None
        return max(self.sampling, interval or 0.0)

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b in [-1, 1] between the paper's ranking and ours in one column, and the best row of each."""

    column: str
    tau: float
    methods: int
    best_paper: str
    best_ours: str


def compare(paper: PaperTable, runs: RunsByCell, wanted: TableSlice) -> list[ComparedCell]:
    """Return every cell of the table, row by row, including those without a run."""
    return [cell for row in wanted.rows for cell in _row(paper, row, runs.get(row, {}), wanted)]


def rank_agreements(cells: Sequence[ComparedCell]) -> list[RankAgreement]:
    """Return the rank agreement of every column where at least three rows have both numbers."""
    from scipy.stats import kendalltau  # takes a second

    agreements = []
    for column in dict.fromkeys(cell.column for cell in cells):
        own = [c for c in cells if c.column == column]
        both = [(c.row, c.paper, c.mean) for c in own if c.paper is not None and c.mean is not None]
        if len(both) < 3:
            continue
        # rounded, as equal means over seeds can differ in the last bit
        tau = kendalltau([printed for _, printed, _ in both], [round(mean, 10) for *_, mean in both]).statistic
        if not math.isnan(tau):
            best_paper, best_ours = max(both, key=lambda c: c[1])[0], max(both, key=lambda c: c[2])[0]
            agreements.append(RankAgreement(column, float(tau), len(both), best_paper, best_ours))
    return agreements


def half_interval(values: Sequence[float]) -> float | None:
    """Return half the 95 % interval of a mean by Student's t, None for fewer than two values."""
    from scipy.stats import t  # takes a second

    n = len(values)
    return float(t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n) if n > 1 else None


def _row(paper: PaperTable, row: str, runs: dict[str, list[StoredRun]], wanted: TableSlice) -> Iterator[ComparedCell]:
    groups = [runs.get(column, []) for column in wanted.columns]
    if wanted.epochs:
        for epoch in wanted.epochs:
            name = f"epoch {epoch}"
            score = paper.score(row, name) if wanted.whole_table else None
            yield _cell(paper, row, name, [score] * len(groups), groups, wanted, epoch)
        return
    printed = [paper.score(row, column) for column in wanted.columns]
    for column, score, group in zip(wanted.columns, printed, groups, strict=True):
        yield _cell(paper, row, column, [score], [group], wanted)
    if len(wanted.columns) > 1:
        yield _cell(paper, row, AVERAGE, printed, groups, wanted)


def _cell(
    paper: PaperTable,
    row: str,
    column: str,
    scores: list[float | None],
    groups: list[list[StoredRun]],
    wanted: TableSlice,
    epoch: int | None = None,
) -> ComparedCell:
    """Return a cell: for each seed that all groups (tasks) have, the mean over them.

    `scores` holds the paper's score of each group.
    """
    known = [score for score in scores if score is not None]
    printed = fmean(known) if len(known) == len(scores) else None
    by_seed = [
        {run.record.seed: (run, score) for run in group if (score := _score(run, epoch)) is not None}
        for group in groups
    ]
    seeds = sorted(set.intersection(*map(set, by_seed)))
    runs = {seed: [of_group[seed] for of_group in by_seed] for seed in seeds}
    if not runs:
        return ComparedCell(row, column, printed, {}, {}, None, None, NOT_RUN)
    final = {seed: fmean(100 * run.record.reached("final")["value"] for run, _ in used) for seed, used in runs.items()}
    every = [run for used in runs.values() for run, _ in used]
    cell = ComparedCell(
        row=row,
        column=column,
        paper=printed,
        ours={seed: fmean(score for _, score in used) for seed, used in runs.items()},
        final={} if epoch else final,
        sampling=None if printed is None else _sampling_error(every[: len(groups)], known),
        trainable=every[0].record.params["pct_of_backbone"],
        verdict="",
    )
    return replace(cell, verdict=_verdict(cell, paper, every, wanted))


def _score(run: StoredRun, epoch: int | None) -> float | None:
    """Return the score in percent at `epoch`, or at the selected epoch for None; None where it was not reached."""
    if epoch is None:
        return 100 * run.record.reached("selected")["value"]
    line = next((line for line in run.metrics if line["epoch"] == epoch), {})
    score = (line.get("eval") or {}).get(run.record.metric["name"])
    return None if score is None else 100 * score


def _sampling_error(runs: list[StoredRun], scores: list[float]) -> float:
    """Return 1.96 standard errors, in points, of the mean of the scores, by the number of evaluation rows."""
    shares = [score / 100 for score in scores]
    variances = [p * (1 - p) / run.record.samples["eval"] for p, run in zip(shares, runs, strict=True)]
    return 100 * _Z * math.sqrt(sum(variances)) / len(runs)


def _verdict(cell: ComparedCell, paper: PaperTable, runs: list[StoredRun], wanted: TableSlice) -> str:
    if any(run.record.profile != "paper" or run.record.backbone != paper.backbone for run in runs):
        return NOT_COMPARABLE
    cited = cell.row in paper.cited
    if wanted.overridden or any(map(_of_a_mixture, runs)):
        return OTHER_PROTOCOL
    if any((run.record.protocol == _CITED_PROTOCOL) != cited for run in runs):
        return OTHER_PROTOCOL
    if not wanted.whole_data or cell.difference is None or any(map(_on_other_rows, runs)):
        return OTHER_DATA
    return REPRODUCED if abs(cell.difference) <= (cell.margin or 0.0) else DIFFERS


def _of_a_mixture(run: StoredRun) -> bool:
    """Return whether the paper's number for the run's task comes from one model of several tasks."""
    return run.record.task.startswith("commonsense/") and run.record.protocol in _PROTOCOLS_OF_A_MIXTURE


def _on_other_rows(run: StoredRun) -> bool:
    """Return whether the run was not trained and evaluated on the official splits."""
    return bool(run.record.data.get("note")) or run.record.selection == "holdout"
