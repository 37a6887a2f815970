"""Metrics: a file each, in the form that `evaluate.load` takes; none of them needs a network."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError, did_you_mean

_FOLDER = Path(__file__).parent


@lru_cache
def load_metric(name: str) -> Any:
    """Return the `evaluate.Metric` of the file `name`; raises `RequestError` on an unknown name."""
    import evaluate  # takes seconds to import, and a listing of tasks does without

    known = [path.stem for path in _FOLDER.glob("[!_]*.py")]
    if name not in known:
        raise RequestError(f"Unknown metric {name}. {did_you_mean(name, known)}")
    return evaluate.load(str(_FOLDER / f"{name}.py"), keep_in_memory=True)


class Scorer:
    """Scores a split by every metric of a task.

    The reported split's values have the metrics' names; those of any other split carry its name without
    "validation_" as a suffix, as in `accuracy_mismatched`.
    """

    def __init__(self, metrics: Sequence[str], reported: str, classes: int):
        """Raise `RequestError` for a metric that is unknown or has no value for so many classes."""
        self._metrics = [load_metric(name) for name in metrics]
        self._reported = reported
        labels = list(range(classes))
        for name, metric in zip(metrics, self._metrics, strict=True):
            try:
                metric.compute(predictions=labels, references=labels)
            except ValueError as error:
                raise RequestError(
                    f"task.metrics has {name}, which has no value for {classes} classes. Leave it out, or ask for"
                    " accuracy."
                ) from error

    def __call__(self, split: str, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        suffix = "" if split == self._reported else f"_{split.removeprefix('validation_')}"
        scores: dict[str, float] = {}
        for metric in self._metrics:
            scores |= metric.compute(predictions=predictions, references=references)
        return {f"{name}{suffix}": value for name, value in scores.items()}
