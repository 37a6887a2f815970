"""What a sequence of tasks has kept: scores from the matrix R, R[i][j] on task j after stage i; None where unknown.

Lopez-Paz and Ranzato 2017 (arXiv 1706.08840) for the average and backward transfer, Chaudhry et al. 2018 (arXiv
1801.10112) for forgetting.
"""

from collections.abc import Sequence
from statistics import fmean

Matrix = Sequence[Sequence[float | None]]


def average(R: Matrix) -> float:
    """Return the mean score on all tasks after the last stage."""
    return fmean(_known(R[-1]))


def backward_transfer(R: Matrix) -> float | None:
    """Return the mean change of an earlier task's score since its own stage; None for a single task."""
    diagonal = _known([row[stage] for stage, row in enumerate(R)])
    return _mean([last - own for last, own in zip(_known(R[-1])[:-1], diagonal[:-1], strict=True)])


def forgetting(R: Matrix) -> float | None:
    """Return the mean fall of an earlier task's score from its best before the last stage; None for a single task."""
    last = _known(R[-1])
    best = [max(_known([row[task] for row in R[task:-1]])) for task in range(len(R) - 1)]
    return _mean([top - now for top, now in zip(best, last[:-1], strict=True)])


def _known(row: Sequence[float | None]) -> list[float]:
    values = [value for value in row if value is not None]
    if len(values) != len(row):
        raise ValueError("a score of the matrix is not known")
    return values


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
