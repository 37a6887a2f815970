"""The one rule for claims about measured scores: the 95 % interval of the difference decides, or nothing does.

A claim says that a quantity lies in a range. It holds if the measured interval lies inside that range, it fails if the
interval lies outside, and otherwise it is undecided. Runs of small backbones on a subset of the rows never decide what
the paper says about its large ones: that takes runs on the paper's backbones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import NormalDist, fmean, stdev

from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED

LEVEL = 0.95
_POWER = 0.8  # chance that the stated number of units would decide
_TWO_SIDED = NormalDist().inv_cdf((1 + LEVEL) / 2)
PAPER_BACKBONES = frozenset({"clip_vit_b32", "roberta_large", "llama2_7b"})


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over `count` independent units, e.g. pairs of runs."""

    value: float
    low: float
    high: float
    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Decision:
    """A verdict and, if it is undecided, what would settle it."""

    verdict: str
    would_take: str = ""


def mean(values: Sequence[float], unit: str) -> Estimate:
    """Return the mean of independent values with Student's interval, which is unbounded for a single value."""
    if len(values) < 2:
        return Estimate(values[0], -inf, inf, 1, unit)
    from scipy.stats import t  # takes a second to import

    error = stdev(values) / sqrt(len(values))
    return _around(fmean(values), t.ppf((1 + LEVEL) / 2, len(values) - 1) * error, len(values), unit)


def with_known_error(value: float, error: float, count: int, unit: str) -> Estimate:
    """Return a value with a known standard error, such as a difference of accuracies over so many rows."""
    return _around(value, _TWO_SIDED * error, count, unit)


def proportion(successes: int, trials: int, unit: str) -> Estimate:
    """Return a share of trials, with the exact interval of Clopper and Pearson: a sign test where the range is 1/2."""
    if not trials:
        return Estimate(0.5, 0.0, 1.0, 0, unit)
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(LEVEL)
    return Estimate(successes / trials, interval.low, interval.high, trials, unit)


def rows_error(pairs: Iterable[tuple[float, float, int]]) -> float:
    """Return the standard error of the mean difference of two accuracies, over triples (one, other, rows).

    Accuracies are fractions. The two are taken to be independent, because the records do not say on which rows the
    answers agree; this overstates the error rather than understating it.
    """
    pairs = list(pairs)
    return sqrt(sum((p * (1 - p) + q * (1 - q)) / n for p, q, n in pairs)) / len(pairs)


def decide(
    measured: Estimate, low: float = -inf, high: float = inf, backbones: Iterable[str] | None = None
) -> Decision:
    """Return whether a quantity lies in the claimed range from `low` to `high`.

    `backbones` are those of our runs if the claim is about the paper's experiments, None otherwise.
    """
    needed = _needed(measured, low, high)
    if backbones is not None and not set(backbones) <= PAPER_BACKBONES:
        here = f" Of runs like these it would take {needed} to decide it for our own scale." if needed else ""
        return Decision(UNDECIDED, f"Runs on the paper's backbones and all rows.{here}")
    if low <= measured.low and measured.high <= high:
        return Decision(HOLDS)
    if measured.high < low or measured.low > high:
        return Decision(FAILS)
    return Decision(UNDECIDED, f"{needed[:1].upper()}{needed[1:]}, if the difference is the one measured.")


def _needed(measured: Estimate, low: float, high: float) -> str:
    """Return how many units it would take to decide, '' where these already do."""
    distance = min(abs(measured.value - low), abs(measured.value - high))
    reach = (measured.high - measured.low) / 2
    inside = low <= measured.low and measured.high <= high
    if inside or measured.high < low or measured.low > high:
        return ""
    if not distance or reach == inf or not measured.count:
        return f"many more {measured.unit}"
    factor = ((_TWO_SIDED + NormalDist().inv_cdf(_POWER)) / _TWO_SIDED * reach / distance) ** 2
    return f"about {ceil(measured.count * factor):,} {measured.unit}"


def _around(value: float, reach: float, count: int, unit: str) -> Estimate:
    return Estimate(value, value - reach, value + reach, count, unit)
