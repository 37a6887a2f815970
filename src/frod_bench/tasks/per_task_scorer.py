"""Scores of tasks that are evaluated together: each by itself, and their mean."""

from collections.abc import Mapping, Sequence
from statistics import mean

from frod_bench.tasks.metrics import Scorer


class PerTaskScorer:
    """Scores rows whose labels are counted through all tasks: `sizes` holds each task's number of classes.

    With one task the names are those of `Scorer`; with several, that name holds the mean over the tasks, and
    each task's own value stands under it with the task's name, as in `accuracy_boolq`.
    """

    def __init__(self, metrics: Sequence[str], reported: str, sizes: Mapping[str, int]):
        self._scorer = Scorer(metrics, reported, sum(sizes.values()))
        self._task_of = [task.rpartition("/")[2] for task, size in sizes.items() for _ in range(size)]

    def __call__(self, split: str, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        rows: dict[str, list[tuple[int, int]]] = {}
        for prediction, reference in zip(predictions, references, strict=True):
            rows.setdefault(self._task_of[reference], []).append((prediction, reference))
        each = {task: self._scorer(split, *zip(*pairs, strict=True)) for task, pairs in sorted(rows.items())}
        names = next(iter(each.values()))
        scores = {name: mean(values[name] for values in each.values()) for name in names}
        if len(set(self._task_of)) > 1:
            scores |= {f"{name}_{task}": values[name] for task, values in each.items() for name in names}
        return scores
