"""Ask what explains FRoD's held-out score over many rates: the angles of single components, tan alpha, or the rates.

    python scripts/explain_scores.py FOLDER … --to results/tables/explain_scores.md

The paper's third open question. Each group of numbers predicts the rank of a run's score among the runs on its task,
for tasks (with fewer than three of them: runs) that the fit has not seen. Seeds of random numbers are fixed.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path
from statistics import pstdev
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from frod_bench.console import show
from frod_bench.files import save_text
from frod_bench.record import StoredRun, find_records
from frod_bench.record.identity import RATES
from frod_bench.report.table import Column, Table, to_markdown

ANGLES, TANGENT, RATIO, BOTH_RATES = "component angles", "tan alpha", "ratio of the rates", "both rates"
_RIDGES = np.logspace(-2, 3, 16)
_FOLDS = 10
_RESAMPLES = 2000


@dataclass(frozen=True)
class Run:
    """A run of FRoD: its task, a place within which scores are compared, its score, and numbers by group."""

    task: str
    place: tuple[str, str, int]
    score: float
    numbers: dict[str, list[float]]


@dataclass(frozen=True)
class Explained:
    """The share of the variance of unseen ranks that a group explains, and by how much `ANGLES` explain more."""

    group: str
    share: float
    interval: tuple[float, float]
    excess: float
    excess_interval: tuple[float, float]


def described(run: StoredRun) -> Run | None:
    """Return a run as numbers at its reported epoch, in logarithms; None where one is missing or zero."""
    record = run.record
    epoch = (record.selected or {}).get("epoch")
    line: dict[str, Any] = next((line for line in run.metrics_by_layer() if line["epoch"] == epoch), {})
    rates = [record.settings.get(f"{RATES}{role}") or 0.0 for role in ("diag", "sparse")]
    try:
        numbers = {
            ANGLES: _spread(line["turned_deg"]),
            TANGENT: _spread(line["tan_alpha"]),
            RATIO: [log(line["lr_ratio"])],
            BOTH_RATES: [log(rate) for rate in rates],
        }
    except (KeyError, TypeError, ValueError):
        return None
    place = (record.task, record.backbone, record.samples["train"])
    whole = all(isfinite(number) for group in numbers.values() for number in group)
    return Run(record.task, place, record.objective, numbers) if whole else None


def _spread(found: dict[str, Any]) -> list[float]:
    """Return the logarithms of the mean and of the largest value, and how much those of the layers differ."""
    layers = [log(value) for value in found["per_layer"].values()]
    return [log(found["mean"]), log(found["max"]), pstdev(layers)]


def compare(runs: Sequence[Run], resamples: int = _RESAMPLES) -> list[Explained]:
    """Return what every group of numbers explains, with 95 % bootstrap intervals over tasks and their runs.

    A quadratic of the group's numbers is fitted by ridge regression to ranks, whose mean on every place is zero.
    """
    ranks = _centred(runs, [run.score for run in runs], by_rank=True)
    tasks = np.array([run.task for run in runs])
    by_task, by_run = LeaveOneGroupOut(), KFold(_FOLDS, shuffle=True, random_state=0)
    folds = list(by_task.split(ranks, groups=tasks) if len(set(tasks)) > 2 else by_run.split(ranks))
    errors = {}
    for group in runs[0].numbers:
        model = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), RidgeCV(_RIDGES))
        X = np.array([run.numbers[group] for run in runs])
        predicted = cross_val_predict(model, X, ranks, cv=folds)
        errors[group] = (ranks - _centred(runs, predicted)) ** 2
    rng = np.random.default_rng(0)
    drawn = [_resample(tasks, rng) for _ in range(resamples)]

    def shares(group: str) -> np.ndarray:
        return np.array([1 - errors[group][rows].sum() / (ranks[rows] ** 2).sum() for rows in drawn])

    by_group = {group: shares(group) for group in errors}
    total = (ranks**2).sum()
    found = []
    for group, own in errors.items():
        excess = by_group[ANGLES] - by_group[group]
        interval, beyond = (tuple(np.quantile(each, [0.025, 0.975])) for each in (by_group[group], excess))
        found.append(
            Explained(group, 1 - own.sum() / total, interval, (own.sum() - errors[ANGLES].sum()) / total, beyond)
        )
    return found


def _centred(runs: Sequence[Run], values: Sequence[float], by_rank: bool = False) -> np.ndarray:
    """Return the values, or their ranks over the number of runs, less their mean on each place."""
    values, out = np.asarray(values, dtype=float), np.empty(len(runs))
    for place in {run.place for run in runs}:
        rows = [row for row, run in enumerate(runs) if run.place == place]
        own = rankdata(values[rows]) / len(rows) if by_rank else values[rows]
        out[rows] = own - own.mean()
    return out


def _resample(tasks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows drawn in two steps: tasks, then runs of each; only runs where there are too few tasks to draw."""
    names = np.unique(tasks)
    chosen = rng.choice(names, len(names)) if len(names) > 2 else names
    rows = [np.flatnonzero(tasks == name) for name in chosen]
    return np.concatenate([rng.choice(own, len(own)) for own in rows])


def page(runs: Sequence[Run], left_out: int) -> str:
    """Return the comparison as Markdown."""
    columns = (
        *(Column("numbers", align="left"), Column("explained", "{:.2f}".format)),
        *(Column("low", "{:.2f}".format), Column("high", "{:.2f}".format)),
        *(Column("angles explain more by", "{:+.2f}".format), Column("from", "{:+.2f}".format)),
        Column("to", "{:+.2f}".format),
    )
    rows = [
        (e.group, e.share, *e.interval, *((None,) * 3 if e.group == ANGLES else (e.excess, *e.excess_interval)))
        for e in compare(runs)
    ]
    tasks = sorted({run.task for run in runs})
    unseen = f"the task left out, of {len(tasks)}" if len(tasks) > 2 else f"the runs left out, in {_FOLDS} parts"
    still = [group for group in runs[0].numbers if len({tuple(run.numbers[group]) for run in runs}) == 1]
    notes = [
        f"{len(runs)} runs of FRoD on {', '.join(tasks)}; {left_out} others diverged, or have an angle of zero or none."
        f" explained: share of the variance of the scores' ranks on each task that a quadratic predicts for {unseen};"
        " 0 is what the mean rank explains, and a negative number is worse than that. low, high, from, to: 95 %"
        " bootstrap over tasks and runs with the same predictions, which is rough for few tasks. Angles follow from the"
        " rates: only what they explain beyond both rates is a use of their own.",
        "Angles and tan alpha are those of the reported epoch: mean, largest, and spread over the layers. Of the angles"
        " of single components, records hold each layer's mean and the largest one.",
    ]
    if still:
        notes.append(f"The same in all runs, so that it cannot explain anything here: {', '.join(still)}.")
    return to_markdown(Table(columns, rows, "What explains FRoD's score over its rates", notes), level=1) + "\n"


def main() -> None:
    """Compare the trials of searches below the folders, or, where there are none, the complete runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the Markdown file to write (default: print)")
    arguments = parser.parse_args()
    found = [find_records(folder) for folder in arguments.folders]
    stored = [run for each in found for run in each.trials] or [run for each in found for run in each.runs]
    frod = [run for run in stored if run.record.method == "frod" and run.record.status in ("completed", "failed")]
    runs = [each for run in frod if run.record.status == "completed" and (each := described(run)) is not None]
    if len(runs) < _FOLDS:
        parser.error(f"it takes {_FOLDS} runs of frod with angles, and there are {len(runs)}")
    text = page(runs, len(frod) - len(runs))
    show(text, end="") if arguments.to is None else save_text(arguments.to, text)


if __name__ == "__main__":
    main()
