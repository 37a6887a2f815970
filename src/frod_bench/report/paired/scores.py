"""Scores from predictions per row, and how they vary together over samples of rows."""

from collections.abc import Callable
from functools import partial

import numpy as np

_RESAMPLES = 2000  # their covariance then has an error of 3 %


def scores(metric: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the score [runs] of predictions [runs, rows] as a fraction. Raises KeyError for an unknown metric.

    F1 and Matthews correlation are of two classes, label 1 being the positive one, and 0 where they are not defined.
    """
    if metric == "accuracy":
        return (predictions == labels).mean(axis=1)
    return _OF_COUNTS[metric](np.ones((1, len(labels))), labels == 1, predictions == 1)[0]


def is_known(metric: str) -> bool:
    """Return whether `scores` computes this metric."""
    return metric == "accuracy" or metric in _OF_COUNTS


def covariance(metric: str, labels: np.ndarray, predictions: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the covariance [runs, runs] of the runs' scores over samples of as many rows as these.

    `first` [runs] tells the runs of one method from those of the other. Accuracy has a closed form, the limit of the
    bootstrap over rows; the other metrics are computed anew in every resample.

    Two rows are added, one that only the first method gets right and one that only the other does, as Bonett and Price
    (2012) do for paired proportions: methods that agree on all of few rows are not known to agree on all rows.
    """
    if metric == "accuracy":
        right = np.concatenate([predictions == labels, np.stack([first, ~first], axis=1)], axis=1)
        return np.atleast_2d(np.cov(right)) / right.shape[1]
    columns, weights = _patterns(labels == 1, predictions == 1, first)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(round(weights.sum()), weights / weights.sum(), _RESAMPLES)
    return np.atleast_2d(np.cov(_OF_COUNTS[metric](drawn, columns[0], columns[1:]), rowvar=False))


def resampled(metric: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return the score of one run's predictions [rows] in each of many samples of as many rows, drawn with return."""
    pairs, counts = np.unique(np.stack([labels == 1, predictions == 1]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(labels), counts / counts.sum(), _RESAMPLES)
    return _OF_COUNTS[metric](drawn, pairs[0], pairs[1:])[:, 0]


def _patterns(positive: np.ndarray, predicted: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct columns [1 + runs, patterns] of label and predictions, and how many rows have each.

    A resample draws patterns instead of rows, of which there are far fewer. The two added rows are halved, a half for
    each label.
    """
    rows = np.concatenate([positive[None], predicted])
    columns, counts = np.unique(rows, axis=1, return_counts=True)
    added = [np.concatenate([[label], right == label]) for label in (False, True) for right in (first, ~first)]
    return np.concatenate([columns, np.stack(added, axis=1)], axis=1), np.concatenate([counts, np.full(4, 0.5)])


def _of_counts(
    formula: Callable[..., np.ndarray], weights: np.ndarray, positive: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Return the metric [resamples, runs] of rows with weights [resamples, rows]."""
    hits = weights @ (positive & predicted).T.astype(float)
    actual = weights @ positive[:, None].astype(float)
    called = weights @ predicted.T.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(formula(hits, actual, called, weights.sum(axis=1, keepdims=True)), posinf=0.0, neginf=0.0)


def _f1(hits: np.ndarray, actual: np.ndarray, called: np.ndarray, total: np.ndarray) -> np.ndarray:
    return 2 * hits / (actual + called)


def _matthews(hits: np.ndarray, actual: np.ndarray, called: np.ndarray, total: np.ndarray) -> np.ndarray:
    return (total * hits - actual * called) / np.sqrt(actual * (total - actual) * called * (total - called))


_OF_COUNTS = {"f1": partial(_of_counts, _f1), "matthews_correlation": partial(_of_counts, _matthews)}
