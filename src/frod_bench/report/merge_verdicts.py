"""Paired verdicts on merged models: FRoD against the others, merged in the same way, on the same evaluation rows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from frod_bench.record.find_multitask import StoredMerge
from frod_bench.record.merge_record import EPOCH, PREDICTIONS, part_name
from frod_bench.record.predictions import read_predictions
from frod_bench.report.paired.difference import Difference, Runs, difference
from frod_bench.report.paired.pairs import mean_of_tasks
from frod_bench.report.paired.scores import is_known
from frod_bench.report.paired.tables import verdict_table
from frod_bench.report.paired.verdict import MARGIN, Pair, judge
from frod_bench.report.table import Table

_OWN = "frod"  # labels that begin with it are compared with the others


class _Rows(NamedTuple):
    """What the merges of one label predict for one task, a merge per seed."""

    metric: str
    ids: np.ndarray  # [rows]
    runs: Runs


def verdict_tables(merges: Sequence[StoredMerge]) -> list[Table]:
    """Return a table for each setting, way of merging and set of tasks in which two labels can be compared.

    Merges of one label are told apart by the seed of their first run; several of one seed leave the label out.
    """
    found = []
    for (setting, how, tasks), same in groupby(sorted(merges, key=_key), key=_key):
        judged = [each for block in _blocks(list(same), list(tasks)) for each in judge(block, MARGIN)]
        if judged:
            named = ", ".join(f"{name} {value}" for name, value in setting)
            table = verdict_table(judged, MARGIN)
            found.append(replace(table, title=f"Merged by {how}, {named}: {table.title[0].lower()}{table.title[1:]}"))
    return found


def _key(merge: StoredMerge) -> tuple[Any, ...]:
    record = merge.record
    return tuple(record.setting.items()), record.how, tuple(result["task"] for result in record.results)


def _blocks(merges: list[StoredMerge], tasks: list[str]) -> Iterator[list[Pair]]:
    """Yield the pairs of each label of FRoD on every task, and on their mean."""
    of_label: dict[str, list[StoredMerge]] = {}
    for merge in merges:
        of_label.setdefault(merge.record.name, []).append(merge)
    read = {label: [_rows(own, place) for place in range(len(tasks))] for label, own in of_label.items()}
    known = {label: [each for each in parts if each is not None] for label, parts in read.items()}
    known = {label: parts for label, parts in known.items() if len(parts) == len(tasks)}
    for own in (label for label in known if label.lower().startswith(_OWN)):
        others = {
            other: [difference(a.metric, a.runs, b.runs) for a, b in zip(known[own], known[other], strict=True)]
            for other in known
            if not other.lower().startswith(_OWN) and all(map(_same_rows, known[own], known[other]))
        }
        if others:
            yield from _pairs(own, others, tasks)


def _pairs(own: str, parts: dict[str, list[Difference]], tasks: list[str]) -> Iterator[list[Pair]]:
    if len(tasks) > 1:
        yield [Pair(mean_of_tasks(len(tasks)), own, other, tuple(each)) for other, each in parts.items()]
    for place, task in enumerate(tasks):
        yield [Pair(task, own, other, (each[place],)) for other, each in parts.items()]


def _rows(merges: list[StoredMerge], place: int) -> _Rows | None:
    """Return the predictions on the task at `place`; None where the merges cannot be compared row by row."""
    results = [merge.record.results[place] for merge in merges]
    metric, seeds = results[0]["metric"], tuple(merge.record.results[0]["seed"] for merge in merges)
    if not is_known(metric) or len(set(seeds)) < len(seeds) or not all(result.get("split") for result in results):
        return None
    part = part_name(place, results[0]["task"])
    read = [read_predictions(merge.folder / PREDICTIONS, EPOCH, part) for merge in merges]
    if not all(np.array_equal(each.ids, read[0].ids) for each in read):
        return None
    runs = Runs(seeds, read[0].labels, np.stack([each.predictions for each in read]))
    return _Rows(metric, read[0].ids, runs)


def _same_rows(first: _Rows, second: _Rows) -> bool:
    return np.array_equal(first.ids, second.ids) and np.array_equal(first.runs.labels, second.runs.labels)
