"""The pairs of methods in a section, with the differences of their stored predictions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from frod_bench.errors import RequestError
from frod_bench.record import StoredRun
from frod_bench.report.paired.difference import Difference, Runs, difference
from frod_bench.report.paired.scores import is_known, scores
from frod_bench.report.paired.verdict import Pair
from frod_bench.report.summary import Row, Section

_ROUNDING = 1e-6  # of a stored score


@dataclass
class Pairs:
    """Blocks of pairs, whose p values are adjusted together, and why other runs are in none of them.

    A block has one task, or the mean of several.
    """

    blocks: list[list[Pair]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Method:
    """The predictions of one row of a section, and the ids [rows] of its evaluation rows."""

    row: Row
    ids: np.ndarray
    runs: Runs


def pairs(section: Section, baseline: str | None = None, most: int = 1000) -> Pairs:
    """Pair every variant of FRoD with every other method, or every other method with each variant of `baseline`.

    Only runs with predictions are compared, and at most `most` pairs before those over tasks.
    """
    found = Pairs()
    by_pair: dict[tuple[str, str], dict[str, Difference]] = {}
    for task, rows in groupby(section.rows, key=lambda row: row.task):
        methods = list(_methods(rows, found)) if most > 0 else []
        for own, others in _compared(methods, baseline or "frod", found):
            block = []
            for other in others[: max(0, most)]:
                first, second = (own, other) if baseline is None else (other, own)
                if (parts := _difference(task, first, second, found)) is not None:
                    names = (first.row.method, second.row.method)
                    block.append(Pair(task, *names, (parts,)))
                    by_pair.setdefault(names, {})[task] = parts
            if len(others) > most:
                found.remarks.append("There are too many pairs to compare all of them: give a smaller FOLDER.")
            most -= len(others)
            if block:
                found.blocks.append(block)
    found.blocks += _over_tasks(by_pair, own=0 if baseline is None else 1)
    found.remarks = list(dict.fromkeys(found.remarks))
    return found


def mean_of_tasks(count: int) -> str:
    """Return the name that a pair over so many tasks has."""
    return f"the mean of {count} tasks"


def _compared(methods: list[_Method], name: str, found: Pairs) -> Iterator[tuple[_Method, list[_Method]]]:
    """Yield every variant of the method of that name with all other methods that trained on as many rows."""
    others = [method for method in methods if method.row.method_only != name]
    for own in (method for method in methods if method.row.method_only == name):
        same = [other for other in others if _trained_on(other) == _trained_on(own)]
        if len(same) < len(others):
            found.remarks.append("Methods that trained on different numbers of rows are not compared.")
        if same:
            yield own, same


def _over_tasks(by_pair: dict[tuple[str, str], dict[str, Difference]], own: int) -> Iterator[list[Pair]]:
    """Yield a block over the tasks that a pair has in common, for every method (`own`: its place in the pair)."""
    means: dict[str, list[Pair]] = {}
    for names, of_task in by_pair.items():
        if len(of_task) > 1 and len({each.seeds > 1 for each in of_task.values()}) == 1:
            pair = Pair(mean_of_tasks(len(of_task)), *names, tuple(of_task.values()))
            means.setdefault(names[own], []).append(pair)
    yield from means.values()


def _difference(task: str, first: _Method, second: _Method, found: Pairs) -> Difference | None:
    same = np.array_equal(first.ids, second.ids) and np.array_equal(first.runs.labels, second.runs.labels)
    if not same:
        names = f"{first.row.method} and {second.row.method}"
        found.remarks.append(f"{names} are not compared on {task}: they were evaluated on different rows.")
        return None
    return difference(first.row.metric, first.runs, second.runs)


def _methods(rows: Iterable[Row], found: Pairs) -> Iterator[_Method]:
    for row in rows:
        if not is_known(row.metric):
            continue
        read = [(run, rows_of_run) for run in row.runs if (rows_of_run := _predictions(run, found)) is not None]
        if not read:
            continue
        first = read[0][1]
        same = [each for each in read if all(map(np.array_equal, each[1][:2], first[:2]))]
        if len(same) < len(read):
            seeds = ", ".join(str(run.record.seed) for run, _ in same)
            found.remarks.append(f"{row.method} on {row.task}: only the seeds {seeds} have the same evaluation rows.")
        predictions = np.stack([each.predictions for _, each in same])
        runs = Runs(tuple(run.record.seed for run, _ in same), first.labels, predictions)
        yield _Method(row, first.ids, runs)


def _predictions(run: StoredRun, found: Pairs):
    """Return the predictions of the reported epoch, None if there are none or they do not give the reported score."""
    try:
        rows = run.predictions()
    except RequestError as error:
        found.remarks.append(f"Left out: {error}")
        return None
    if rows is None:
        return None
    reported = (run.record.selected or {})["value"]
    if abs(scores(run.record.metric["name"], rows.labels, rows.predictions[None])[0] - reported) > _ROUNDING:
        found.remarks.append(
            f"Left out: the score of {run.path} is not the {run.record.metric['name'].replace('_', ' ')} of its rows."
        )
        return None
    return rows


def _trained_on(method: _Method) -> int:
    return method.row.runs[0].record.samples["train"]
