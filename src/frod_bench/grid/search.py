"""Which learning rates a search tries: multiples of the recipe's, the same number for every method."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from frod_bench.errors import RequestError

_ADDED = 2  # trials of every method when a grid is extended


class Point(NamedTuple):
    """A trial's rates: the recipe's times `multiplier`, and those of single roles times their own factor as well."""

    multiplier: float
    factors: tuple[tuple[str, float], ...] = ()

    def rates(self, recipe: Mapping[str, float]) -> dict[str, float]:
        """Return the rate of every role, to four digits."""
        own = dict(self.factors)
        return {role: float(f"{rate * self.multiplier * own.get(role, 1):.4g}") for role, rate in recipe.items()}

    def __str__(self) -> str:
        return " ".join([f"x{self.multiplier:.3g}", *(f"{role} x{factor:g}" for role, factor in self.factors)])


class Tried(NamedTuple):
    """A point and its score on the held-out rows, higher being better; -inf if training diverged."""

    point: Point
    score: float


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the best trial; of equal ones the nearest to the recipe's rates, then the one with lower rates."""
    return max(tried, key=lambda t: (t.score, -abs(round(math.log10(t.point.multiplier), 6)), -t.point.multiplier))


def end_of_grid(tried: Sequence[Tried]) -> str | None:
    """Return "lowest" or "highest" if the best multiplier is the first or the last that was tried, else None."""
    best, multipliers = best_of(tried).point.multiplier, {t.point.multiplier for t in tried}
    return "lowest" if best == min(multipliers) else "highest" if best == max(multipliers) else None


class Search(Protocol):
    """Ask for points until there are enough; the same results lead to the same points."""

    @property
    def name(self) -> str:
        """As in --search."""

    @property
    def trials(self) -> int:
        """How many trials every method gets."""

    @property
    def per_decade(self) -> float:
        """Multipliers per factor of ten."""

    def ask(self, tried: Sequence[Tried], axis: Mapping[str, Sequence[float]]) -> list[Point]:
        """Return the next points, [] when the search is over. `axis` holds the factors to try by role."""


@dataclass(frozen=True)
class GridSearch:
    """A logarithmic grid around the recipe's rates, `per_decade` points per factor of ten.

    A second axis divides the trials: with two factors for a role, half as many multipliers are tried with each. A grid
    that is extended `extend` times adds two trials each time: beyond its end if the best lies there, else halfway from
    the best to its neighbours. Raises RequestError when the trials cannot be divided.
    """

    trials: int = 7
    per_decade: float = 2
    extend: int = 0
    name: str = "grid"

    def ask(self, tried: Sequence[Tried], axis: Mapping[str, Sequence[float]]) -> list[Point]:
        """See `Search.ask`."""
        if not tried:
            return self._grid(axis)
        if len(tried) >= self.trials + _ADDED * self.extend:
            return []
        best = best_of(tried).point
        line = sorted({t.point.multiplier for t in tried if t.point.factors == best.factors})
        place, step = line.index(best.multiplier), 1 / self.per_decade
        if place in (0, len(line) - 1):
            towards = -step if place == 0 else step
            added = [best.multiplier * 10 ** (towards * n) for n in (1, 2)]
        else:
            added = [math.sqrt(best.multiplier * line[place + side]) for side in (-1, 1)]
        return [Point(_rounded(multiplier), best.factors) for multiplier in added]

    def _grid(self, axis: Mapping[str, Sequence[float]]) -> list[Point]:
        combinations: list[tuple[tuple[str, float], ...]] = [()]
        for role, factors in axis.items():
            combinations = [(*own, (role, factor)) for own in combinations for factor in factors]
        if self.trials % len(combinations):
            raise RequestError(
                f"--trials {self.trials} cannot be divided by the {len(combinations)} values of --axis: every method"
                " gets the same number of trials."
            )
        count = self.trials // len(combinations)
        exponents = [(n - count // 2) / self.per_decade for n in range(count)]
        return [Point(_rounded(10**exponent), own) for own in combinations for exponent in exponents]


@dataclass(frozen=True)
class TpeSearch:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), over the range that the grid would cover."""

    trials: int = 7
    per_decade: float = 2
    name: str = "tpe"

    def ask(self, tried: Sequence[Tried], axis: Mapping[str, Sequence[float]]) -> list[Point]:
        """See `Search.ask`. Raises RequestError without Optuna."""
        if len(tried) >= self.trials:
            return []
        try:
            import optuna
        except ImportError as error:
            raise RequestError("--search tpe needs Optuna: pip install 'frod-bench[search]'.") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        half = (self.trials // 2) / self.per_decade
        space: dict[str, optuna.distributions.BaseDistribution]
        space = {"exponent": optuna.distributions.FloatDistribution(-half, half)}
        space |= {role: optuna.distributions.CategoricalDistribution(list(own)) for role, own in axis.items()}
        sampler = optuna.samplers.TPESampler(seed=len(tried), n_startup_trials=max(2, self.trials // 3))
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for point, score in tried:
            chosen = {"exponent": math.log10(point.multiplier)} | dict(point.factors)
            failed = score == -math.inf
            state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE
            value = None if failed else score
            study.add_trial(optuna.trial.create_trial(params=chosen, distributions=space, value=value, state=state))
        chosen = study.ask(space).params
        return [Point(_rounded(10 ** chosen["exponent"]), tuple((role, chosen[role]) for role in axis))]


def _rounded(multiplier: float) -> float:
    return float(f"{multiplier:.4g}")
