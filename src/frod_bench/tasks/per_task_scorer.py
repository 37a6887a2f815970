"""Scores of tasks that are evaluated together: one per task, and their mean."""

from collections.abc import Mapping, Sequence
from statistics import mean

from frod_bench.tasks.metrics import Scorer


class PerTaskScorer:
    """Score rows whose labels are numbered through all tasks; `sizes` holds the number of classes of each task.

    With one task, the names are those of `Scorer`. With several, that name is the mean over the tasks, and the name
    with a task's name behind it, as in `accuracy_boolq`, is the score of that task.
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
