"""Simulate comparisons whose truth is known, and count how often the paired statistics are right.

    python scripts/paired_calibration.py --to results/tables/paired_calibration.md

Right answers come from a latent normal score: a row's difficulty that all methods share, what a row is to one method,
what a seed is to one method on all rows, and noise of each run. Accuracy is then a known function of its parts, and so
is a difference of two methods. Takes some minutes on one core; the seeds of the random numbers are fixed.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from frod_bench.files import save_text
from frod_bench.record import find_records
from frod_bench.report.paired.difference import Difference, Runs, difference, mean_over_tasks
from frod_bench.report.paired.power import detectable, power
from frod_bench.report.paired.verdict import MARGIN, Pair, judge, over_sampled_tasks
from frod_bench.report.summary import summarise
from frod_bench.report.table import Column, Prose, Table, to_markdown

BASELINES = 4
RUNS = Path(__file__).parents[1] / "results/runs"
_RESAMPLES = 999
_POSITIVE = 0.69  # of CoLA's rows
_VARIANCES = ("of_rows", "of_seeds", "of_both")
_HEAVY = 3  # degrees of freedom of seeds with heavy tails


@dataclass(frozen=True)
class Design:
    """A comparison to simulate. `seed_sd` is the standard deviation of a method's accuracy over seeds, as a fraction.

    `own` and `noise` are the standard deviations of what a row is to one method and to one run, where that of a row's
    difficulty is 1: they set how often two runs disagree.
    """

    rows: int
    seeds: int
    tasks: int = 1
    accuracy: float = 0.85
    seed_sd: float = 0.007
    own: float = 0.35
    noise: float = 0.5
    heavy: bool = False

    def draw(self, rng: np.random.Generator, advantages: list[float]) -> list[np.ndarray]:
        """Return right answers [seeds, rows] of one method for each advantage in true accuracy, on the same rows."""
        shared = rng.standard_normal(self.rows)
        return [self._answers(rng, self.accuracy + advantage, shared) for advantage in advantages]

    def _answers(self, rng: np.random.Generator, accuracy: float, shared: np.ndarray) -> np.ndarray:
        level, rest = norm.ppf(accuracy), 1 + self.own**2 + self.noise**2
        of_seed = self.seed_sd * np.sqrt(rest) / norm.pdf(level)
        of_row = shared + self.own * rng.standard_normal(self.rows)
        noise = self.noise * rng.standard_normal((self.seeds, self.rows))
        effects = of_seed * rng.standard_normal((self.seeds, 1))
        if self.heavy:
            effects /= np.sqrt(rng.chisquare(_HEAVY, (self.seeds, 1)))
        return level * np.sqrt(rest + of_seed**2) + of_row + noise + effects > 0


def runs_of(answers: np.ndarray) -> Runs:
    """Return right answers as the predictions of a task on which 1 is right for every row."""
    return Runs(tuple(range(len(answers))), np.ones(answers.shape[1], bool), answers)


Interval = tuple[float, float]


def intervals(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> dict[str, Interval]:
    """Return the 95 % interval of the difference of right answers [seeds, rows] in every form that is compared."""
    k, value = len(a), a.mean() - b.mean()
    by_seed = a.mean(axis=1) - b.mean(axis=1)
    found, drawn = difference("accuracy", runs_of(a), runs_of(b)), _bootstrap(a, b, rng)
    rescaled = drawn.std() * np.sqrt(k / (k - 1)) * student.ppf(0.975, k - 1)
    of_seeds = by_seed.var(ddof=1) / k
    variance = found.of_rows + of_seeds
    hillis = np.sqrt(variance) * student.ppf(0.975, (k - 1) * (variance / max(of_seeds, 1e-30)) ** 2)
    alone = np.sqrt(of_seeds) * student.ppf(0.975, k - 1)
    halves = {"bootstrap, rescaled, t": rescaled, "seeds alone, t": alone, "Hillis 2007": hillis}
    return {
        "bootstrap, percentile": tuple(np.percentile(drawn, [2.5, 97.5])),
        **{name: (value - half, value + half) for name, half in halves.items()},
        "here": mean_over_tasks([found]).interval(),
    }


def _bootstrap(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean difference in resamples of rows and of seeds."""
    k, rows = a.shape
    patterns, counts = np.unique(a.astype(int) - b, axis=1, return_counts=True)
    by_seed = rng.multinomial(rows, counts / rows, _RESAMPLES) @ patterns.T / rows
    return np.take_along_axis(by_seed, rng.integers(0, k, (_RESAMPLES, k)), axis=1).mean(axis=1)


def forms(repeats: int) -> Table:
    """Compare the forms of the interval for two methods that are equally good."""
    designs = [
        *(Design(rows, seeds, seed_sd=sd) for rows in (300, 1000, 5000) for seeds in (3, 5) for sd in (0.003, 0.01)),
        *(Design(1000, seeds, heavy=True) for seeds in (3, 5)),
        *(Design(300, seeds, accuracy=0.97, seed_sd=0.002, own=0.2, noise=0.2) for seeds in (3, 5)),
    ]
    lines, names = [], []
    for number, design in enumerate(designs):
        rng = np.random.default_rng(number)
        found = [intervals(*design.draw(rng, [0, 0]), rng) for _ in range(repeats)]
        names = list(found[0])
        hit = [fmean(low <= 0 <= high for low, high in (each[name] for each in found)) for name in names]
        width = [fmean(each[name][1] - each[name][0] for each in found) for name in names]
        cells = [f"{100 * h:.1f} ({100 * w:.1f})" for h, w in zip(hit, width, strict=True)]
        kind = f"{100 * design.seed_sd:.1f}{', heavy tails' if design.heavy else ''}"
        lines.append((design.rows, design.seeds, kind, f"{100 * design.accuracy:.0f}", *cells))
    columns = [Column(name) for name in ("rows", "seeds", "sd of seeds", "accuracy", *names)]
    note = (
        "Percent of intervals that hold the true difference, 95 being asked for, and in brackets their mean width in"
        " points. Two equally good methods; sd of seeds: of each method's accuracy, in points."
    )
    return Table(columns, lines, "Forms of the 95 % interval", (note,))


@dataclass(frozen=True)
class Trial:
    """One simulated comparison with a single baseline and with several."""

    covered: bool
    one: str  # verdict against one baseline
    all: list[str]
    parts: list[Difference]


def trial(design: Design, advantage: float, rng: np.random.Generator) -> Trial:
    """Compare a method that is better by `advantage` on every task with equally good baselines."""
    columns: list[list[Difference]] = [[] for _ in range(BASELINES)]
    for _ in range(design.tasks):
        first, *others = map(runs_of, design.draw(rng, [advantage] + [0.0] * BASELINES))
        for column, other in zip(columns, others, strict=True):
            column.append(difference("accuracy", first, other))
    pairs = [Pair("task", "method", f"baseline {n}", tuple(column)) for n, column in enumerate(columns)]
    low, high = pairs[0].estimate.interval()
    [one] = judge(pairs[:1])
    return Trial(low <= advantage <= high, one.verdict, [each.verdict for each in judge(pairs)], columns[0])


def verdicts(repeats: int) -> Table:
    """Count the verdicts that are wrong, and compare the power that is planned with the one that is found."""
    designs = [
        *(Design(rows, seeds) for rows in (300, 1000, 5000) for seeds in (3, 5)),
        *(Design(1000, seeds, tasks=5) for seeds in (3, 5)),
        Design(1000, 5, tasks=5, heavy=True),
    ]
    columns = (
        *("tasks", "rows", "seeds", "covered", "wrong better/worse", "covered at margin", "wrong equivalent"),
        *("equivalent if equal", "power 1 point", "planned", "power 3 points", "planned", "detectable"),
    )
    lines = [tuple(_line(number, design, repeats)) for number, design in enumerate(designs)]
    note = Prose(
        f"Percent of {repeats:,} comparisons. covered: 95 % intervals that hold the true difference, without one and"
        f" with one of {100 * MARGIN:.0f} point, the margin. wrong better/worse: at least one such verdict against"
        f" {BASELINES} equally good baselines, after Holm; wrong equivalent: at least one against {BASELINES} baselines"
        " that are worse by the margin; 5 are accepted of each. power: `better` against one baseline; planned: from"
        " the mean variances. detectable: points seen with probability 0.8 by the same plan."
    )
    return Table([Column(name) for name in columns], lines, "Verdicts", (note,))


def _line(number: int, design: Design, repeats: int) -> Iterator[str | int]:
    rng = np.random.default_rng(1000 + number)
    equal, close, far = ([trial(design, size, rng) for _ in range(repeats)] for size in (0.0, MARGIN, 0.03))
    plan = _mean_parts([each.parts for each in equal])
    yield from (design.tasks, f"{design.rows}{', heavy tails' if design.heavy else ''}", design.seeds)
    yield _percent(each.covered for each in equal)
    yield _percent(bool({"better", "worse"} & set(each.all)) for each in equal)
    yield _percent(each.covered for each in close)
    yield _percent("equivalent" in each.all for each in close)
    yield _percent(each.one == "equivalent" for each in equal)
    for found, size in ((close, MARGIN), (far, 0.03)):
        yield _percent(each.one == "better" for each in found)
        yield f"{100 * power(plan, size):.1f}"
    yield f"{100 * detectable(plan):.2f}"


def _mean_parts(trials: list[list[Difference]]) -> list[Difference]:
    """Return the difference of each task with the mean variances over all trials."""
    return [
        replace(of_task[0], **{name: fmean(getattr(each, name) for each in of_task) for name in _VARIANCES})
        for of_task in zip(*trials, strict=True)
    ]


def sampled_tasks(repeats: int) -> Table:
    """Check the mean over tasks whose own differences vary around zero by a standard deviation of one point."""
    lines = []
    for number, (tasks, seeds) in enumerate((tasks, seeds) for tasks in (3, 5, 7) for seeds in (3, 5)):
        rng, design, hits = np.random.default_rng(3000 + number), Design(1000, seeds), []
        for _ in range(repeats):
            each = [design.draw(rng, [0, 0.01 * rng.standard_normal()]) for _ in range(tasks)]
            found = [difference("accuracy", *map(runs_of, pair)) for pair in each]
            bounds = [kind(found).interval() for kind in (mean_over_tasks, over_sampled_tasks)]
            hits.append([low <= 0 <= high for low, high in bounds])
        lines.append((tasks, seeds, *map(_percent, zip(*hits, strict=True))))
    columns = [Column(name) for name in ("tasks", "seeds", "these tasks", "tasks as a sample")]
    note = "Percent of 95 % intervals that hold the mean over all tasks that could have been chosen; 1,000 rows each."
    return Table(columns, lines, "Tasks that differ among themselves", (note,))


def classes(repeats: int) -> Table:
    """Check the metrics that are no mean over rows, for two equally good methods."""
    lines = []
    for number, (metric, rows, seeds) in enumerate(
        (metric, rows, seeds) for metric in ("f1", "matthews_correlation") for rows in (300, 1000) for seeds in (3, 5)
    ):
        rng, design = np.random.default_rng(2000 + number), Design(rows, seeds)
        hits, widths = [], []
        for _ in range(repeats):
            labels = (rng.random(rows) < _POSITIVE).astype(int)
            a, b = (
                Runs(tuple(range(seeds)), labels, np.where(right, labels, 1 - labels))
                for right in design.draw(rng, [0, 0])
            )
            low, high = mean_over_tasks([difference(metric, a, b)]).interval()
            hits.append(low <= 0 <= high)
            widths.append(high - low)
        lines.append((metric.replace("_", " "), rows, seeds, _percent(hits), f"{100 * fmean(widths):.1f}"))
    columns = [Column(name) for name in ("metric", "rows", "seeds", "covered", "width")]
    note = (
        f"95 % intervals of the difference of two equally good methods; {100 * _POSITIVE:.0f} % of the rows positive."
    )
    return Table(columns, lines, "Metrics that are no mean over rows", (note,))


def stored_seeds() -> Table:
    """Measure in the committed runs whether seeds are worth pairing and tasks independent."""
    lines = []
    for name in ("glue_methods", "vision_table2"):
        scores: dict[str, dict[str, np.ndarray]] = {}
        for row in (row for section in summarise(find_records(RUNS / name).runs).sections for row in section.rows):
            of_seed = {run.record.seed: run.record.selected["value"] for run in row.runs}
            scores.setdefault(row.task, {})[row.method] = np.array([of_seed[seed] for seed in (0, 1, 2)])
        methods = [pair for of_method in scores.values() for pair in combinations(of_method.values(), 2)]
        tasks = [
            (one[a] - one[b], two[a] - two[b])
            for one, two in combinations(scores.values(), 2)
            for a, b in combinations(sorted(one.keys() & two.keys()), 2)
        ]
        lines.append((name, len(scores), _correlation(methods), _correlation(tasks)))
    columns = [Column(name) for name in ("runs", "tasks", "methods on one task", "differences on two tasks")]
    note = (
        "Correlation over seeds 0, 1 and 2 of `results/runs`, pooled over all pairs. Scores of two methods go together"
        " a little, so pairing seeds helps; differences on two tasks hardly do, so tasks count as independent."
    )
    return Table(columns, lines, "Seeds in stored runs", (Prose(note),))


def _correlation(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    centred = [(a - a.mean(), b - b.mean()) for a, b in pairs]
    scale = sum(np.sqrt((a @ a) * (b @ b)) for a, b in centred)
    return f"{sum(a @ b for a, b in centred) / scale:.2f}"


def _percent(found: Iterable[bool]) -> str:
    return f"{100 * fmean(found):.1f}"


def page(repeats: int) -> str:
    """Return all tables as Markdown."""
    blocks = [to_markdown(make(repeats), level=2) for make in (forms, verdicts, sampled_tasks, classes)]
    blocks.append(to_markdown(stored_seeds(), level=2))
    return "\n\n".join(["# The paired statistics on simulated runs", __doc__.split("\n\n")[2].strip(), *blocks]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the Markdown file to write")
    parser.add_argument("--repeats", type=int, default=1000, metavar="N", help="comparisons of each design")
    arguments = parser.parse_args()
    save_text(arguments.to, page(arguments.repeats))


if __name__ == "__main__":
    main()
