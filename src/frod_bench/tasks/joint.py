"""Several classification tasks that are trained together: one body, and for each task a head and a score of its own."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from statistics import fmean
from typing import Any, NoReturn, cast

import torch

from frod_bench.errors import RequestError
from frod_bench.tasks.base import HEAD, Batch, Metric, Source, Task, TaskData
from frod_bench.tasks.joint_names import JOINT, MEAN_SCORE, score_name

_REMARKS = ("note", "cut", "wording")  # of the rows of each task


@dataclass(frozen=True, kw_only=True)
class JointTask:
    """The tasks `together` of one suite, whose rows are mixed; classes are numbered through the tasks.

    Every member chooses its rows as it does alone: limits and hold-outs are those of each. The reported split of each
    is scored by its own metrics, with the task's name behind them. `parts` is for the identity of the run, the other
    fields for listings.
    """

    name: str
    suite: str
    together: list[Task]
    parts: Mapping[str, Any]
    rows: Mapping[str, int]
    metrics: list[str]
    train_split: str = "train"
    eval_splits: Sequence[str] = (JOINT,)
    image: str | None = None
    repo = config = ""

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """See `Task.count`; the sum over the members."""
        parts = zip(*(task.count(source, text) for task in self.together), strict=True)
        return [None if None in part else sum(cast(tuple[int, ...], part)) for part in parts]

    def classes(self, text: str | None) -> list[str]:
        """Return the classes of all heads, one head after the other."""
        return [name for names in self._classes(text) for name in names]

    def head_sizes(self, text: str | None) -> list[int]:
        """Return the number of classes of each head."""
        return [len(names) for names in self._classes(text)]

    def encode_new(self, table: Any, processor: Any, request: Any) -> NoReturn:
        """Raise RequestError: rows of a user do not say which head is to read them."""
        raise RequestError(f"{self.name} is a bound for `frod-bench continual`; predict with a run of one task.")

    def load(self, source: Source, processor: Any, request: Any) -> TaskData:
        """See `Task.load`."""
        sizes = self.head_sizes(request.text)
        firsts = [0, *accumulate(sizes)][:-1]
        loaded = [task.load(source, processor, request) for task in self.together]
        evaluated = [data.evaluation[data.reported] for data in loaded if data.reported in data.evaluation]
        held_out = [data.holdout for data in loaded if data.holdout is not None]
        counted = {split: sum(data.samples.get(split, 0) for data in loaded) for split in ("train", "eval", "holdout")}
        ids = {JOINT: [data.row_ids.get(data.reported, ()) for data in loaded]}
        ids["holdout"] = [data.row_ids.get("holdout", ()) for data in loaded]
        named = [(task.name, data.provenance) for task, data in zip(self.together, loaded, strict=True)]
        remarks = {
            key: "; ".join(f"{name}: {data[key]}" for name, data in named if data.get(key))
            for key in _REMARKS
            if any(data.get(key) for _, data in named)
        }
        joined: Any = JointRows  # read like a data set by whoever loads rows
        return TaskData(
            train=joined([data.train for data in loaded], firsts),
            reported=JOINT,
            evaluation={JOINT: joined(evaluated, firsts)} if evaluated else {},
            holdout=joined(held_out, firsts) if held_out else None,
            num_labels=sum(sizes),
            label_names=[name for data in loaded for name in data.label_names],
            metric=Metric(MEAN_SCORE),
            collate=JointCollate([data.collate for data in loaded]),
            measure=_Measure(self.together, loaded, firsts),
            samples={split: rows for split, rows in counted.items() if rows or split != "holdout"},
            provenance={"source": named[0][1]["source"], "tasks": dict(named)} | remarks,
            row_ids={split: _numbered(parts) for split, parts in ids.items() if any(map(len, parts))},
        )

    def _classes(self, text: str | None) -> list[list[str]]:
        found = [task.classes(text) for task in self.together]
        if None in found:
            raise RequestError("A language model that answers in words has no heads; train task=commonsense/all.")
        return cast(list[list[str]], found)


class JointRows:
    """The rows of several tasks one after the other, with the place of their task under `HEAD`."""

    def __init__(self, parts: Sequence[Any], firsts: Sequence[int]):
        """`firsts` holds the number of the first class of each task."""
        self._parts, self._firsts = parts, firsts
        self._starts = [0, *accumulate(map(len, parts))]
        self.column_names = [*parts[0].column_names, HEAD]
        self.costly = any(getattr(part, "costly", False) for part in parts)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, row: int | str) -> Any:
        """Return a row by its number, or a column by its name."""
        if isinstance(row, str):
            return [value for part in self._parts for value in part[row]]
        place = bisect_right(self._starts, row) - 1
        own = self._parts[place][row - self._starts[place]]
        return own | {"labels": own["labels"] + self._firsts[place], HEAD: place}

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Set the epoch of the tasks whose rows depend on it."""
        for part in self._parts:
            if hasattr(part, "set_epoch"):
                part.set_epoch(seed, epoch)


class JointCollate:
    """Collate mixed rows as one of the tasks does, all of which read the same kind, and add `HEAD` [batch]."""

    def __init__(self, collates: Sequence[Callable[[list[dict[str, Any]]], Batch]]):
        self._collate = collates[0]

    def __call__(self, rows: list[dict[str, Any]]) -> Batch:
        inputs = [{name: value for name, value in row.items() if name != HEAD} for row in rows]
        return self._collate(inputs) | {HEAD: torch.tensor([row[HEAD] for row in rows])}


class _Measure:
    """Score mixed predictions by the metrics of each task, and report the mean of the tasks' own."""

    def __init__(self, tasks: Sequence[Task], loaded: Sequence[TaskData], firsts: Sequence[int]):
        pairs = zip(tasks, loaded, strict=True)
        self._tasks = [(task.name, data.metric.name, data.reported, data.measure) for task, data in pairs]
        self._firsts = firsts

    def __call__(self, split: str, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        scores: dict[str, float] = {}
        reported = []
        pairs = sorted(zip(references, predictions, strict=True), key=lambda pair: self._place(pair[0]))
        for place, own in groupby(pairs, key=lambda pair: self._place(pair[0])):
            name, metric, reads, measure = self._tasks[place]
            labels, answers = zip(*((a - self._firsts[place], b - self._firsts[place]) for a, b in own), strict=True)
            found = measure(reads, answers, labels)
            reported.append(found[metric])
            scores |= {score_name(key, name): value for key, value in found.items()}
        return {MEAN_SCORE: fmean(reported)} | scores

    def _place(self, label: int) -> int:
        return bisect_right(self._firsts, label) - 1


def _numbered(parts: Sequence[Sequence[int]]) -> list[int]:
    """Return the numbers of the rows, counted on from task to task."""
    numbers: list[int] = []
    for part in parts:
        first = 1 + max(numbers, default=-1)
        numbers += [first + number for number in part]
    return numbers
