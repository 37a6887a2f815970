"""The metrics of a split, as fractions; undefined ones are 0, as in scikit-learn, whose import takes a second."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from frod_bench.errors import RequestError, did_you_mean

Metric = Callable[[np.ndarray, np.ndarray], float]  # predictions and labels [rows]


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return right predictions / all predictions."""
    return float(np.mean(predictions == labels))


def f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return 2 precision recall / (precision + recall) of label 1. Raises ValueError for more than two classes."""
    if max(predictions.max(), labels.max()) > 1:
        raise ValueError("F1 is of two classes")
    called, actual = np.sum(predictions == 1), np.sum(labels == 1)
    return float(2 * np.sum((predictions == 1) & (labels == 1)) / (called + actual)) if called + actual else 0.0


def matthews_correlation(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return the correlation of predictions and labels, -1 to 1, of any number of classes (Gorodkin 2004, eq. 8)."""
    classes = np.unique(np.concatenate([predictions, labels]))
    called, actual = (np.array([np.sum(rows == each) for each in classes], float) for rows in (predictions, labels))
    n = len(labels)
    spread = (n**2 - called @ called) * (n**2 - actual @ actual)
    return float((n * np.sum(predictions == labels) - called @ actual) / np.sqrt(spread)) if spread else 0.0


def unmatched(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return predictions of -1 / all: generated texts that hold no answer, each of them wrong in the accuracy."""
    return float(np.mean(predictions == -1))


METRICS: Mapping[str, Metric] = {each.__name__: each for each in (accuracy, f1, matthews_correlation, unmatched)}


class Scorer:
    """Scores a split by every metric of a task.

    The reported split's values have the metrics' names; those of any other split carry its name without
    "validation_" as a suffix, as in `accuracy_mismatched`.
    """

    def __init__(self, metrics: Sequence[str], reported: str, classes: int):
        """Raise `RequestError` for a metric that is unknown or has no value for so many classes."""
        for name in metrics:
            if name not in METRICS:
                raise RequestError(f"Unknown metric {name}. {did_you_mean(name, METRICS)}")
            try:
                METRICS[name](np.arange(classes), np.arange(classes))
            except ValueError as error:
                raise RequestError(
                    f"task.metrics has {name}, which has no value for {classes} classes. Leave it out, or ask for"
                    " accuracy."
                ) from error
        self._metrics = {name: METRICS[name] for name in metrics}
        self._reported = reported

    def __call__(self, split: str, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        """Return the metrics by name. Raises ValueError for another number of predictions than of references."""
        suffix = "" if split == self._reported else f"_{split.removeprefix('validation_')}"
        both = np.array([predictions, references])  # refuses unequal lengths
        return {f"{name}{suffix}": metric(*both) for name, metric in self._metrics.items()}
