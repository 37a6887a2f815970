"""The trials of searches for learning rates, as their records tell them, and what trials and runs cost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from frod_bench.record import StoredRun, identity_of
from frod_bench.record.identity import RATES, tuning_settings

_TIMES = ("init_s", "train_s", "eval_s")


@dataclass(frozen=True)
class Trial:
    """One point of a search: the rate of every role, and its runs, one per seed."""

    rates: tuple[tuple[str, float], ...]
    runs: tuple[StoredRun, ...]

    @property
    def diverged(self) -> bool:
        """Whether one of its runs diverged."""
        return any(run.record.diverged for run in self.runs)

    @property
    def scores(self) -> list[float]:
        """The held-out score of every run that did not diverge, as a fraction."""
        return [run.record.objective for run in self.runs if not run.record.diverged]

    @property
    def score(self) -> float | None:
        """The mean held-out score over the seeds, None if the trial diverged."""
        return None if self.diverged else fmean(self.scores)


@dataclass(frozen=True)
class Cost:
    """Hours of wall clock (model, training and evaluation) and FLOPs of training, None where not all were counted."""

    hours: float
    flops: float | None


def search_of(run: StoredRun) -> str:
    """Return the name of the search that a run belongs to, as a trial or with its rates."""
    return identity_of(tuning_settings(run.record.settings))


def by_search(trials: Iterable[StoredRun]) -> dict[str, list[StoredRun]]:
    """Return the trials that have ended, each once, by the search they belong to."""
    ended = {run.record.identity: run for run in trials if run.record.status == "completed" or run.record.diverged}
    found: dict[str, list[StoredRun]] = defaultdict(list)
    for run in ended.values():
        found[search_of(run)].append(run)
    return dict(found)


def trials_of(runs: Iterable[StoredRun]) -> list[Trial]:
    """Return the trials of one search, in the order of their rates."""
    by_rates: dict[tuple[tuple[str, float], ...], list[StoredRun]] = defaultdict(list)
    for run in runs:
        by_rates[rates_of(run)].append(run)
    return [
        Trial(rates, tuple(sorted(found, key=lambda run: run.record.seed))) for rates, found in sorted(by_rates.items())
    ]


def rates_of(run: StoredRun) -> tuple[tuple[str, float], ...]:
    """Return the learning rate of every role that trains."""
    rates = {key: rate for key, rate in run.record.settings.items() if key.startswith(RATES)}
    return tuple((key.removeprefix(RATES), rates[key]) for key in sorted(rates) if isinstance(rates[key], int | float))


def cost(runs: Sequence[StoredRun]) -> Cost:
    """Return what runs took together; of one that diverged, up to its last complete epoch."""
    seconds = sum(run.record.time.get(part, 0.0) for run in runs for part in _TIMES)
    counted = [line.get("flops") for run in runs for line in run.metrics]
    flops: list[float] = [count for count in counted if count is not None]
    return Cost(seconds / 3600, float(sum(flops)) if counted and len(flops) == len(counted) else None)
