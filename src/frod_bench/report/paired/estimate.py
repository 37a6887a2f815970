"""An estimate with its variance and degrees of freedom: interval, tests against zero and against a margin."""

from typing import NamedTuple

from scipy.special import stdtr, stdtrit

_NORMAL = 1e9  # degrees of freedom from which t is the normal distribution to all digits


class Estimate(NamedTuple):
    """A difference of scores as a fraction, the variance of that estimate, and the variance's degrees of freedom."""

    value: float
    variance: float
    degrees: float

    @property
    def error(self) -> float:
        """The standard error."""
        return self.variance**0.5

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the two-sided t interval."""
        half = self.error * quantile((1 + level) / 2, self.degrees)
        return self.value - half, self.value + half

    def p_of_no_difference(self) -> float:
        """Return the two-sided p of the hypothesis that the difference is zero."""
        return min(1.0, 2 * self._tail(abs(self.value)))

    def p_of_relevance(self, margin: float) -> float:
        """Return the p of the hypothesis that the difference is at least the margin, one way or the other.

        The larger p of two one-sided tests (TOST; Schuirmann 1987): a small one shows equivalence.
        """
        return self._tail(margin - abs(self.value))

    def _tail(self, distance: float) -> float:
        """Return the probability that chance alone moves the estimate up by more than `distance`."""
        if self.variance == 0:
            return 0.5 if distance == 0 else float(distance < 0)
        return float(stdtr(min(self.degrees, _NORMAL), -distance / self.error))


def quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t."""
    return float(stdtrit(min(degrees, _NORMAL), probability))
