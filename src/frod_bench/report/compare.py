"""Our runs held against a table of the paper: a verdict a cell, by a stated rule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from scipy.stats import kendalltau, t

from frod_bench.record import StoredRun
from frod_bench.report.paper import AVERAGE, PaperTable

REPRODUCED, DIFFERS, NOT_RUN = "reproduced", "differs", "not run"
NOT_COMPARABLE, OTHER_PROTOCOL, OTHER_DATA = "not comparable", "other protocol", "other data"
RULE = (
    "Verdict: `reproduced` where ours and the paper's number differ by no more than the margin, the larger of two"
    " errors: 1.96 sqrt(p (1 - p) / N), the sampling error of the paper's share p over N evaluation rows, and, from"
    " three seeds on, half the 95 % interval over our seeds (Student's t; that of two seeds is nine standard deviations"
    " and would pass nearly anything). `differs` otherwise, `not run` without a run. There is no such verdict"
    " where ours is another experiment than the paper's: `not comparable` (another backbone, or a profile that is not"
    " paper), `other protocol` (a setting of the table was overridden; rows marked † are quoted from Fan et al. 2025"
    " and were made under protocol=goat, the others were not; commonsense under protocol=goat or paper is one model"
    " trained on Commonsense170K, where each column here has a model of its own), `other data` (not the official"
    " splits, a part of them, as selection=holdout leaves, or a part of the tasks)."
)
_CITED_PROTOCOL = "goat"
_PROTOCOLS_OF_A_MIXTURE = ("goat", "paper")  # of commonsense, whose six columns they take from one model
_SEEDS_OF_AN_INTERVAL = 3  # from which on it counts in a verdict
_Z = 1.959964  # 97.5 % of a normal distribution

# row of the table: column: the runs of its seeds
Measured = dict[str, dict[str, list[StoredRun]]]


@dataclass(frozen=True)
class Scope:
    """What of a table is asked for: `rows` by their printed names, and `columns`, which are tasks.

    Without `epochs` each task is a column, and their mean is another; with them a column is the mean over the tasks
    at one epoch. `whole_table` tells that no task is left out, `whole_data` that no row is (max_train, max_eval),
    `overridden` that the cells have other settings than the table's own.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    epochs: tuple[int, ...] = ()
    whole_table: bool = True
    whole_data: bool = True
    overridden: bool = False


@dataclass(frozen=True)
class Compared:
    """A cell: the paper's score and ours by seed, in percent.

    `final` is the last epoch's, empty where the column itself names an epoch. `sampling` is the sampling error of
    the evaluation rows, `trainable` a percentage of the backbone.
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
        """By how much ours may differ from the paper's and still be `reproduced`, None where they cannot compare."""
        if self.sampling is None:
            return None
        return max(self.sampling, self.interval if len(self.ours) >= _SEEDS_OF_AN_INTERVAL else 0.0)

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class Agreement:
    """How alike two rankings of the methods are in one column: Kendall's tau-b in [-1, 1], and the best of each."""

    column: str
    tau: float
    methods: int
    best_paper: str
    best_ours: str


def compare(paper: PaperTable, measured: Measured, scope: Scope) -> list[Compared]:
    """Return every cell of the table, row by row, those without a run as well."""
    return [cell for row in scope.rows for cell in _row(paper, row, measured.get(row, {}), scope)]


def agreement(cells: Sequence[Compared]) -> list[Agreement]:
    """Return the agreement of the rankings in every column where three methods or more have both numbers."""
    found = []
    for column in dict.fromkeys(cell.column for cell in cells):
        both = [c for c in cells if c.column == column and c.paper is not None and c.mean is not None]
        if len(both) < 3:
            continue
        # rounded, as equal means over seeds can differ in the last bit
        tau = kendalltau([c.paper for c in both], [round(c.mean, 10) for c in both]).statistic
        if not math.isnan(tau):
            best = [max(both, key=key).row for key in (lambda c: c.paper, lambda c: c.mean)]
            found.append(Agreement(column, float(tau), len(both), *best))
    return found


def half_interval(values: Sequence[float]) -> float | None:
    """Return half the 95 % interval of a mean by Student's t, None for fewer than two values."""
    n = len(values)
    return float(t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n) if n > 1 else None


def _row(paper: PaperTable, row: str, runs: dict[str, list[StoredRun]], scope: Scope) -> Iterator[Compared]:
    groups = [runs.get(column, []) for column in scope.columns]
    if scope.epochs:
        for epoch in scope.epochs:
            name = f"epoch {epoch}"
            printed = paper.score(row, name) if scope.whole_table else None
            yield _cell(paper, row, name, [printed] * len(groups), groups, scope, epoch)
        return
    printed = [paper.score(row, column) for column in scope.columns]
    for column, score, group in zip(scope.columns, printed, groups, strict=True):
        yield _cell(paper, row, column, [score], [group], scope)
    if len(scope.columns) > 1:
        yield _cell(paper, row, AVERAGE, printed, groups, scope)


def _cell(
    paper: PaperTable,
    row: str,
    column: str,
    scores: list[float | None],
    groups: list[list[StoredRun]],
    scope: Scope,
    epoch: int | None = None,
) -> Compared:
    """Return a cell: for each seed that all groups (tasks) have, the mean over them.

    `scores` are what the paper prints for each of the groups.
    """
    printed = None if None in scores else fmean(scores)
    by_seed = [{run.record.seed: run for run in group if _score(run, epoch) is not None} for group in groups]
    seeds = sorted(set.intersection(*map(set, by_seed)))
    runs = {seed: [found[seed] for found in by_seed] for seed in seeds}
    if not runs:
        return Compared(row, column, printed, {}, {}, None, None, NOT_RUN)
    final = {seed: fmean(100 * run.record.final["value"] for run in used) for seed, used in runs.items()}
    every = [run for used in runs.values() for run in used]
    cell = Compared(
        row=row,
        column=column,
        paper=printed,
        ours={seed: fmean(_score(run, epoch) for run in used) for seed, used in runs.items()},
        final={} if epoch else final,
        sampling=None if printed is None else _sampling_error(every[: len(groups)], scores),
        trainable=every[0].record.params["pct_of_backbone"],
        verdict="",
    )
    return replace(cell, verdict=_verdict(cell, paper, every, scope))


def _score(run: StoredRun, epoch: int | None) -> float | None:
    """Return the score in percent at `epoch`, without one at the selected epoch; None where it was not reached."""
    if epoch is None:
        return 100 * run.record.selected["value"]
    found = next((line for line in run.metrics if line["epoch"] == epoch), {})
    score = (found.get("eval") or {}).get(run.record.metric["name"])
    return None if score is None else 100 * score


def _sampling_error(runs: list[StoredRun], scores: list[float]) -> float:
    """Return 1.96 standard errors, in points, of the mean of the scores over the evaluation rows of their `runs`."""
    shares = [score / 100 for score in scores]
    variances = [p * (1 - p) / run.record.samples["eval"] for p, run in zip(shares, runs, strict=True)]
    return 100 * _Z * math.sqrt(sum(variances)) / len(runs)


def _verdict(cell: Compared, paper: PaperTable, runs: list[StoredRun], scope: Scope) -> str:
    if any(run.record.profile != "paper" or run.record.backbone != paper.backbone for run in runs):
        return NOT_COMPARABLE
    cited = cell.row in paper.cited
    if scope.overridden or any(_of_a_mixture(run) or (run.record.protocol == _CITED_PROTOCOL) != cited for run in runs):
        return OTHER_PROTOCOL
    if not scope.whole_data or cell.difference is None or any(map(_on_other_rows, runs)):
        return OTHER_DATA
    return REPRODUCED if abs(cell.difference) <= cell.margin else DIFFERS


def _of_a_mixture(run: StoredRun) -> bool:
    """Return whether the paper's number of the run's task is that of one model for several tasks."""
    return run.record.task.startswith("commonsense/") and run.record.protocol in _PROTOCOLS_OF_A_MIXTURE


def _on_other_rows(run: StoredRun) -> bool:
    """Return whether the run did not train and judge on the rows of the official splits."""
    return bool(run.record.data.get("note")) or run.record.selection == "holdout"
