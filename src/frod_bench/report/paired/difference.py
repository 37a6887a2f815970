"""The difference of two methods on one task, with the variance that rows and seeds give it.

Rows and seeds are crossed, as every run answers all rows. The mean difference over n rows and k seeds then has the
variance

    sigma_rows^2 / n + sigma_seeds^2 / k + sigma_both^2 / (n k)

which is estimated by C + S^2 / k: S^2 is the sample variance of the k differences by seed, and C the mean covariance of
the differences of two seeds over samples of rows. This is the analysis of studies in which several readers judge the
same cases, a seed being a reader (Obuchowski and Rockette 1995; Hillis 2007, Statistics in Medicine 26:596-619).

Two changes make the intervals reach their level with three to five seeds. S^2 / k counts as no less than what rows
alone make it, sigma_both^2 / (n k), which is known far better than S^2. And the degrees of freedom are
(k - 1) V / (S^2 / k), with V for the variance, where Satterthwaite's formula squares the ratio: an S^2 that is small by
chance then gets too many. `scripts/paired_calibration.py` compares the forms in `results/tables/paired_calibration.md`:
a percentile bootstrap over rows and seeds is too narrow where seeds matter and too wide where rows do (as Owen 2007,
"The pigeonhole bootstrap", derives), its rescaled form is far too wide, and Hillis's covers up to three percent too
little.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from frod_bench.report.paired.estimate import Estimate
from frod_bench.report.paired.mcnemar import mcnemar
from frod_bench.report.paired.scores import covariance, scores


@dataclass(frozen=True)
class Runs:
    """The predictions [runs, rows] of one method, a run per seed, on rows with `labels` [rows]."""

    seeds: tuple[int, ...]
    labels: np.ndarray
    predictions: np.ndarray

    def of(self, seeds: list[int]) -> np.ndarray:
        """Return the predictions of these seeds."""
        return self.predictions[[self.seeds.index(seed) for seed in seeds]]


@dataclass(frozen=True)
class Difference:
    """The first method's mean score minus the second's, as a fraction, over `rows` rows and `seeds` seeds of each.

    The variances are those of `value`: `of_rows` is C, `of_seeds` is S^2 / k with its `degrees` of freedom, `of_both`
    is sigma_both^2 / (n k), which `of_seeds` estimates too. With one run each, `of_seeds` is unknown and counts as 0.
    `discordance` is the share of rows that one run gets right and the other does not, over the compared pairs of runs.
    """

    value: float
    rows: int
    seeds: int
    of_rows: float
    of_seeds: float
    of_both: float
    degrees: float
    discordance: float
    p_exact: float | None = None  # McNemar's, for the accuracy of one run each

    @property
    def variance(self) -> float:
        """The variance of `value`."""
        return self.of_rows + max(self.of_seeds, self.of_both)


def difference(metric: str, first: Runs, second: Runs) -> Difference:
    """Compare two methods on the same rows.

    Seeds that both have are paired, if there are two or more. Otherwise the seeds of the two are independent samples
    (Welch), or, where a method has a single run, one run of each is compared.
    """
    common = sorted(set(first.seeds) & set(second.seeds))
    if len(common) > 1:
        return _seed_by_seed(metric, first.labels, first.of(common), second.of(common))
    if min(len(first.seeds), len(second.seeds)) > 1:
        return _seeds_apart(metric, first.labels, first.predictions, second.predictions)
    a, b = (runs.of(common) if common else runs.predictions[:1] for runs in (first, second))
    return _one_each(metric, first.labels, a, b)


def mean_over_tasks(differences: list[Difference]) -> Estimate:
    """Return the mean of the differences on these very tasks.

    Seeds of different tasks count as independent: in stored runs, their differences have a correlation of 0.03 to 0.06.
    """
    tasks, variance = len(differences), sum(each.variance for each in differences)
    spread = sum(each.variance * each.of_seeds / each.degrees for each in differences)
    degrees = variance**2 / spread if spread else inf
    return Estimate(sum(each.value for each in differences) / tasks, variance / tasks**2, degrees)


def _seed_by_seed(metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> Difference:
    k = len(a)
    values, over_rows = _scores_and_covariance(metric, labels, a, b)
    by_seed = values[:k] - values[k:]
    over_rows = over_rows[:k, :k] + over_rows[k:, k:] - over_rows[:k, k:] - over_rows[k:, :k]
    shared, own = _shared_and_own(over_rows)
    differ = (a == labels) != (b == labels)
    return _difference(by_seed, differ, seeds=k, of_rows=shared, of_seeds=by_seed.var(ddof=1) / k, of_both=own / k)


def _seeds_apart(metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> Difference:
    k = len(a)
    values, over_rows = _scores_and_covariance(metric, labels, a, b)
    (shared_a, own_a), (shared_b, own_b) = _shared_and_own(over_rows[:k, :k]), _shared_and_own(over_rows[k:, k:])
    parts = np.array([values[:k].var(ddof=1) / k, values[k:].var(ddof=1) / len(b)])
    spread = (parts**2 / [k - 1, len(b) - 1]).sum()
    return _difference(
        values[:k].mean() - values[k:].mean(),
        (a == labels)[:, None] != (b == labels),
        seeds=min(k, len(b)),
        of_rows=shared_a + shared_b - 2 * over_rows[:k, k:].mean(),
        of_seeds=parts.sum(),
        of_both=own_a / k + own_b / len(b),
        degrees=parts.sum() ** 2 / spread if spread else k + len(b) - 2,
    )


def _one_each(metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> Difference:
    values, over_rows = _scores_and_covariance(metric, labels, a, b)
    of_rows = over_rows[0, 0] + over_rows[1, 1] - 2 * over_rows[0, 1]
    exact = mcnemar(a[0] == labels, b[0] == labels) if metric == "accuracy" else None
    differ = (a == labels) != (b == labels)
    return _difference(values[0] - values[1], differ, seeds=1, of_rows=of_rows, degrees=inf, p_exact=exact)


def _difference(
    values: np.ndarray, differ: np.ndarray, seeds: int, of_rows: float, of_seeds: float = 0.0, of_both: float = 0.0,
    degrees: float | None = None, p_exact: float | None = None,
) -> Difference:  # fmt: skip
    return Difference(
        value=float(np.mean(values)),
        rows=differ.shape[-1],
        seeds=seeds,
        of_rows=max(float(of_rows), 0.0),
        of_seeds=float(of_seeds),
        of_both=max(float(of_both), 0.0),
        degrees=float(seeds - 1 if degrees is None else degrees),
        discordance=float(differ.mean()),
        p_exact=p_exact,
    )


def _scores_and_covariance(
    metric: str, labels: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([a, b])
    return scores(metric, labels, both), covariance(metric, labels, both, np.arange(len(both)) < len(a))


def _shared_and_own(over_rows: np.ndarray) -> tuple[float, float]:
    """Return the mean covariance of two seeds in [k, k], and by how much the mean variance of one exceeds it."""
    k = len(over_rows)
    variance = np.trace(over_rows) / k
    shared = (over_rows.sum() - k * variance) / (k * (k - 1))
    return shared, variance - shared
