"""Figure `rates`: held-out score of the trials of a search against the multiplier of their learning rates."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median_low

from matplotlib.axes import Axes

from frod_bench.escape import plot_text
from frod_bench.record import StoredRun
from frod_bench.record.identity import tuning_settings
from frod_bench.report.style import legend, line_with_band, log_axis, looks, panels, polish, save, seeds_in_words
from frod_bench.report.table import Column, Table
from frod_bench.report.trials import Trial, by_search, rates_of, search_of, trials_of
from frod_bench.report.variants import differing, label, method_of

Panel = tuple[str, int]  # task and number of training rows
_COLUMNS = ("task", "training_rows", "method", "multiplier", "rates", "seeds", "score", "lowest", "highest", "chosen")


@dataclass(frozen=True)
class Point:
    """The trials of one method at one multiplier; `scores` in percent, [] if it diverged."""

    panel: Panel
    method: str
    multiplier: float
    trial: Trial
    chosen: bool
    of_middle: bool = False  # a multiplier of the middle rates of its search

    @property
    def scores(self) -> list[float]:
        """The held-out scores by seed."""
        return [] if self.trial.diverged else [100 * score for score in self.trial.scores]


def points(
    trials: Iterable[StoredRun], runs: Iterable[StoredRun], units: Mapping[str, Mapping[str, float]]
) -> list[Point]:
    """Return the points of all searches.

    `units` has the rates at multiplier 1 by search, see `trials.search_of`; where a search is not among them, these are
    the middle ones of its trials. The chosen rates are those of the runs that took them.
    """
    searches = by_search(trials)
    taken = {(search_of(run), rates_of(run)) for run in runs if run.record.protocol == "fair"}
    names = _names(searches)
    found = []
    for name, own in searches.items():
        tried, record = trials_of(own), own[0].record
        unit = units.get(name) or _middle(tried)
        best: dict[float, Trial] = {}
        for trial in tried:  # at one multiplier the best trial counts, where roles have factors of their own
            multiplier = float(f"{_multiplier(trial, unit):.3g}")
            best[multiplier] = max(best.get(multiplier, trial), trial, key=lambda each: each.score or 0.0)
        panel = (record.task, record.samples.get("train", 0))
        found += [
            Point(panel, names[name], multiplier, trial, (name, trial.rates) in taken, name not in units)
            for multiplier, trial in sorted(best.items())
        ]
    return found


def draw(drawn: list[Point], setting: str, folder: Path) -> list[Path]:
    """Draw the points into the folder as PNG, SVG and the CSV they were drawn from; return the files."""
    every = sorted({point.panel for point in drawn})
    methods = sorted({point.method for point in drawn})
    styles = looks(methods)
    seeds = seeds_in_words(len(point.trial.runs) for point in drawn)
    figure, grid = panels(len(every))
    for axes, panel in zip(grid, every, strict=True):
        own = [point for point in drawn if point.panel == panel]
        metric = own[0].trial.runs[0].record.metric["name"].replace("_", " ")
        axes.set_title(plot_text(f"{panel[0]}, {panel[1]:,} rows"), loc="left", fontsize=8)
        axes.set_ylabel(plot_text(f"held-out {metric} (%)"), fontsize=8)
        for place, method in enumerate(methods):
            _line(axes, [point for point in own if point.method == method], method, styles[method], place)
        log_axis(axes)
        polish(axes)
    legend(figure, methods, f"Held-out score against the rate multiplier, {seeds} a trial\n{setting}")
    middle = "" if not any(point.of_middle for point in drawn) else " (or of the middle ones of a search)"
    figure.supxlabel(
        f"multiplier of the recipe's learning rates{middle}\n"
        "ring: the rates that were taken, cross at the bottom: diverged"
        + (", band: lowest to highest seed" if any(len(point.scores) > 1 for point in drawn) else ""),
        fontsize=8,
    )
    return save(figure, folder, "rates", _data(drawn))


def _line(axes: Axes, own: list[Point], method: str, style: dict, place: int) -> None:
    ended = [point for point in own if point.scores]
    line_with_band(axes, {point.multiplier: point.scores for point in ended}, method, style)
    ring = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "markeredgecolor": style["color"]}
    chosen = [(point.multiplier, fmean(point.scores)) for point in ended if point.chosen]
    for x, y in chosen:
        axes.plot(x, y, **ring)
    lost = [point.multiplier for point in own if not point.scores]
    height = 0.03 + 0.05 * place  # one method above the other
    across = axes.get_xaxis_transform()
    axes.plot(
        lost, [height] * len(lost), linestyle="none", marker="x", markersize=5, color=style["color"], transform=across
    )


def _names(searches: Mapping[str, list[StoredRun]]) -> dict[str, str]:
    """Return the method of every search, with the settings by which searches of one method and panel differ."""
    alike: dict[tuple, dict[str, dict[str, str]]] = defaultdict(dict)
    for name, runs in searches.items():
        record = runs[0].record
        variant = {key: str(value) for key, value in tuning_settings(record.settings).items()}
        alike[method_of(runs[0]), record.task, record.samples.get("train", 0)][name] = variant
    return {
        name: label(method, variant, differing(group.values()))
        for (method, *_), group in alike.items()
        for name, variant in group.items()
    }


def _middle(tried: list[Trial]) -> dict[str, float]:
    """Return the middle rate of every role."""
    rates: dict[str, list[float]] = defaultdict(list)
    for role, rate in (each for trial in tried for each in trial.rates):
        rates[role].append(rate)
    return {role: median_low(own) for role, own in rates.items()}


def _multiplier(trial: Trial, unit: Mapping[str, float]) -> float:
    """Return what most roles' rates are multiplied by."""
    known = [rate / unit[role] for role, rate in trial.rates if unit.get(role)]
    return median_low(known) if known else math.nan


def _data(drawn: list[Point]) -> Table:
    rows = [
        (
            *(*point.panel, point.method, point.multiplier),
            " ".join(f"{role}={rate:g}" for role, rate in point.trial.rates),
            len(point.trial.runs),
            *(
                (fmean(point.scores), min(point.scores), max(point.scores))
                if point.scores
                else ("diverged", None, None)
            ),
            "yes" if point.chosen else "no",
        )
        for point in drawn
    ]
    return Table([Column(name) for name in _COLUMNS], rows)
