"""Stored runs aggregated over their seeds: one row per task and method."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from frod_bench.errors import RequestError
from frod_bench.record import REMARKS, RunRecord, StoredRun
from frod_bench.report.trials import by_search, search_of
from frod_bench.report.variants import differing_within, label, method_of, settings


class Setting(NamedTuple):
    """The setting that all rows of a table share; results of different settings are never in one table."""

    profile: str
    protocol: str
    backbone: str
    selection: str
    data: str

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in zip(self._fields, self, strict=True))


class Place(NamedTuple):
    """Where methods can be compared: on one task, with as many rows for training and for evaluation."""

    task: str
    train: int
    eval: int


class Spread(NamedTuple):
    """Mean and sample standard deviation over seeds; `std` is None for a single seed."""

    mean: float
    std: float | None

    @classmethod
    def over(cls, values: list[float]) -> "Spread":
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Row:
    """One method on one task: scores as fractions, memory in bytes, None for what was not measured."""

    task: str
    method: str
    metric: str
    runs: list[StoredRun]
    best: Spread
    others: dict[str, Spread]  # the other metrics of the task, at the epoch of the reported score
    final: Spread
    trainable: int
    pct_of_backbone: float
    tan_alpha: float | None
    s_per_epoch: float | None
    peak_bytes: int | None
    trials: list[StoredRun]  # of the search for its rates, [] where none is stored

    @property
    def seeds(self) -> int:
        return len(self.runs)

    @property
    def place(self) -> Place:
        """Where this row can be compared."""
        samples = self.runs[0].record.samples
        return Place(self.task, samples["train"], samples["eval"])

    @property
    def method_only(self) -> str:
        """The method without its variant."""
        return method_of(self.runs[0])


@dataclass(frozen=True)
class Section:
    """One table: the rows of one setting, by task and method."""

    setting: Setting
    rows: list[Row]

    @property
    def reported(self) -> Literal["best", "final"]:
        """The score that the selection reports."""
        return "final" if self.setting.selection == "last" else "best"

    @property
    def row_counts(self) -> str:
        """The number of training and of evaluation rows of every task."""
        sizes: dict[str, set[str]] = defaultdict(set)
        for row in self.rows:
            for run in row.runs:
                samples = run.record.samples
                sizes[row.task].add(f"{samples['train']:,} and {samples['eval']:,}")
        return "; ".join(f"{task} {' or '.join(sorted(own))}" for task, own in sizes.items())

    @property
    def notes(self) -> list[str]:
        """Remarks on the data, each once; those that do not apply to all tasks name theirs."""
        tasks: dict[str, set[str]] = defaultdict(set)
        for row in self.rows:
            for run in row.runs:
                for note in filter(None, map(run.record.data.get, REMARKS)):
                    tasks[note].add(row.task)
        every = {row.task for row in self.rows}
        return sorted(note if own == every else f"{', '.join(sorted(own))}: {note}" for note, own in tasks.items())


@dataclass
class Summary:
    """The sections, the runs that did not complete, and why other runs were left out."""

    sections: list[Section] = field(default_factory=list)
    incomplete: list[StoredRun] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def summarise(runs: list[StoredRun], trials: Iterable[StoredRun] = ()) -> Summary:
    """Group completed runs by setting, task and method, and aggregate over seeds; `trials` are those of searches.

    Runs of one method with different settings become separate rows, named by the settings that differ. A second run
    with the same settings and seed is left out with a warning.
    """
    summary, searches = Summary(), by_search(trials)
    sections: dict[Setting, dict[str, dict[tuple, _Cell]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        record = run.record
        if record.status != "completed":
            summary.incomplete.append(run)
            continue
        try:
            variant = settings(run)
        except RequestError as error:
            summary.warnings.append(f"Left out: {error}")
            continue
        setting = Setting(
            record.profile, record.protocol, record.backbone, record.selection, str(record.data["source"])
        )
        cells = sections[setting][method_of(run)]
        key = (record.task, frozenset(variant.items()))
        cell = cells.setdefault(key, _Cell(record.task, variant, {}))
        if (first := cell.runs.setdefault(record.seed, run)) is not run:
            summary.warnings.append(f"Left out: {run.path} repeats {first.path}.")
    for setting, methods in sorted(sections.items()):
        rows = [row for method, cells in methods.items() for row in _rows(method, list(cells.values()), searches)]
        summary.sections.append(Section(setting, sorted(rows, key=lambda row: (row.task, row.method))))
    return summary


@dataclass
class _Cell:
    task: str
    variant: dict[str, str]
    runs: dict[int, StoredRun]


def _rows(method: str, cells: list[_Cell], searches: dict[str, list[StoredRun]]) -> list[Row]:
    keys = differing_within((cell.task, cell.variant) for cell in cells)
    without_rates = {key for key in keys if not key.startswith("train.lr.")}
    tuned = all(cell.variant.get("protocol") == "fair" for cell in cells)  # each task has its own rates
    if tuned and len({(cell.task, label(method, cell.variant, without_rates)) for cell in cells}) == len(cells):
        keys = without_rates
    return [_row(label(method, cell.variant, keys), list(cell.runs.values()), searches) for cell in cells]


def _row(method: str, runs: list[StoredRun], searches: dict[str, list[StoredRun]]) -> Row:
    runs = sorted(runs, key=lambda run: run.record.seed)
    records = [run.record for run in runs]
    angles = [run.metrics[-1].get("tan_alpha") for run in runs if run.metrics]
    seconds = [line["seconds"] for run in runs for line in run.metrics if line.get("seconds") is not None]
    peaks = [record.memory["peak_bytes"] for record in records if record.memory["peak_bytes"] is not None]
    return Row(
        task=records[0].task,
        method=method,
        metric=records[0].metric["name"],
        runs=runs,
        best=Spread.over([record.reached("best")["value"] for record in records]),
        others=_others(records),
        final=Spread.over([record.reached("final")["value"] for record in records]),
        trainable=records[0].params["trainable"],
        pct_of_backbone=records[0].params["pct_of_backbone"],
        tan_alpha=_mean([angle["mean"] for angle in angles if angle and angle["mean"] is not None]),
        s_per_epoch=_mean(seconds),
        peak_bytes=max(peaks, default=None),
        trials=searches.get(search_of(runs[0]), []) if records[0].protocol == "fair" else [],
    )


def _others(records: list[RunRecord]) -> dict[str, Spread]:
    scores = [record.reached("selected")["metrics"] for record in records]
    shared = [name for name in scores[0] if name != records[0].metric["name"] and all(name in s for s in scores)]
    return {name: Spread.over([s[name] for s in scores]) for name in shared}


def _mean(values: list[float]) -> float | None:
    return fmean(values) if values else None
