"""The stored runs that belong to the cells of a table."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frod_bench.grid.cells import Cell
from frod_bench.record import StoredRun, find_records
from frod_bench.record.identity import cell_settings, identity_of
from frod_bench.report.compare import RunsByCell

# what the runs were made on, in words: the source of the data, then the limits on its rows
Data = tuple[str, ...]


def runs_of_cells(cells: list[Cell], folders: list[Path]) -> tuple[dict[Data, RunsByCell], list[str]]:
    """Return the completed runs below the folders by data, row and column, and remarks on the others.

    The remarks name runs of the table's methods and tasks that belong to no cell, repeat another, did not complete,
    have another profile or cannot be read.
    """
    places = {_key(cell.settings): (cell.row, cell.column) for cell in cells}
    seeds = {cell.config["seed"] for cell in cells}
    runs_on: dict[Data, RunsByCell] = {}
    first_paths: dict[tuple, Path] = {}
    outside: Counter[str] = Counter()
    remarks: list[str] = []
    for run in _candidates(cells, folders, remarks):
        if (place := places.get(_key(run.record.settings))) is None:
            outside[", ".join(_differing_keys(run, cells))] += 1
            continue
        row, column = place
        seed, status, data = run.record.seed, run.record.status, _data(run.record.settings)
        if seed not in seeds:
            continue
        if status != "completed":
            remarks.append(f"{row} on {column}, seed {seed}: {status}{_reason(run)}.")
        elif (first := first_paths.setdefault((data, place, seed), run.path)) != run.path:
            remarks.append(f"{run.path} is left out: it repeats {first}.")
        else:
            runs_on.setdefault(data, {}).setdefault(row, {}).setdefault(column, []).append(run)
    for keys, n in sorted(outside.items()):  # in an order that does not follow from the names of folders
        runs = "1 run of these methods and tasks is" if n == 1 else f"{n} runs of these methods and tasks are"
        remarks.append(f"{runs} in no cell: what differs from the table is {keys}.")
    return runs_on, remarks


def _candidates(cells: list[Cell], folders: list[Path], remarks: list[str]) -> Iterator[StoredRun]:
    """Yield the runs with a method and task of the cells and their profile, each once."""
    profile = cells[0].config["profile"]["name"]
    wanted = {tuple(cell.config[part]["name"] for part in ("method", "task")) for cell in cells}
    seen = set()
    profiles: Counter[str] = Counter()
    for folder in folders:
        records = find_records(folder)
        for path, reason in records.broken:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                remarks.append(f"{path} is left out: {reason}")
        for run in records.runs:
            if (run.record.method, run.record.task) not in wanted or run.path.resolve() in seen:
                continue
            seen.add(run.path.resolve())
            if run.record.profile != profile:
                profiles[run.record.profile] += 1
                continue
            yield run
    for other, n in profiles.items():
        remarks.append(f"Of these methods and tasks at another scale: {n}, in the table of `--profile {other}`.")


def _key(settings: dict[str, Any]) -> str:
    return identity_of(cell_settings(settings))


def _differing_keys(run: StoredRun, cells: list[Cell]) -> list[str]:
    """Return the keys in which a run differs from the most similar cell with its method and task."""
    own, record = cell_settings(run.record.settings), run.record
    same = [
        cell_settings(cell.settings)
        for cell in cells
        if (cell.config["method"]["name"], cell.config["task"]["name"]) == (record.method, record.task)
    ]
    differing = [[key for key in sorted(own | other) if own.get(key) != other.get(key)] for other in same]
    return min(differing, key=len)


def _data(settings: dict[str, Any]) -> Data:
    limits = (f"{key} {settings[f'data.{key}']}" for key in ("max_train", "max_eval") if f"data.{key}" in settings)
    return (str(settings.get("data.source")), *limits)


def _reason(run: StoredRun) -> str:
    """Return the first line of a failed run's error, after a comma."""
    return f", {run.record.error.splitlines()[0].rstrip('.')}" if run.record.error else ""
