"""The stored runs that belong to the cells of a table."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frod_bench.cli.cells import Cell
from frod_bench.cli.identity import counting
from frod_bench.errors import RequestError
from frod_bench.record import StoredRun, config_hash, find_records
from frod_bench.report.compare import Measured
from frod_bench.report.variants import read_configuration

# what may differ between a run and its cell: where the rows and the weights come from
_SOURCES = ("data.", "task.repo", "task.config", "backbone.path", "seed")

# a kind of data in words: its source, then the limits that cut it
Data = tuple[str, ...]


def runs_of_cells(cells: list[Cell], folders: list[Path]) -> tuple[dict[Data, Measured], list[str]]:
    """Return the completed runs below the folders by kind of data, row and column, and remarks on the others.

    A remark says which runs of the table's methods and tasks are in no cell, are there twice, did not complete, are of
    another profile or cannot be read.
    """
    places = {_key(cell.config): (cell.row, cell.column) for cell in cells}
    seeds = {cell.config["seed"] for cell in cells}
    found: dict[Data, Measured] = {}
    taken: dict[tuple, Path] = {}
    odd: Counter[str] = Counter()
    remarks: list[str] = []
    for run, config in _candidates(cells, folders, remarks):
        if (place := places.get(_key(config))) is None:
            odd[", ".join(_nearest(config, cells))] += 1
            continue
        row, column = place
        seed, status, data = run.record.seed, run.record.status, _data(config)
        if seed not in seeds:
            continue
        if status != "completed":
            remarks.append(f"{row} on {column}, seed {seed}: {status}{_reason(run)}.")
        elif (first := taken.setdefault((data, place, seed), run.path)) != run.path:
            remarks.append(f"{run.path} is left out: it repeats {first}.")
        else:
            found.setdefault(data, {}).setdefault(row, {}).setdefault(column, []).append(run)
    for keys, n in odd.items():
        runs = "1 run of these methods and tasks is" if n == 1 else f"{n} runs of these methods and tasks are"
        remarks.append(f"{runs} in no cell: what differs from the table is {keys}.")
    return found, remarks


def _candidates(
    cells: list[Cell], folders: list[Path], remarks: list[str]
) -> Iterator[tuple[StoredRun, dict[str, Any]]]:
    """Yield the runs of the cells' methods, tasks and profile, each with its configuration and each once."""
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
            try:
                yield run, read_configuration(run)
            except RequestError as error:
                remarks.append(f"{run.path} is left out: {error}")
    for other, n in profiles.items():
        remarks.append(f"Of these methods and tasks at another scale: {n}, in the table of `--profile {other}`.")


def _counting(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of a configuration tells which cell it is, as dotted keys."""
    return {key: value for key, value in counting(config).items() if not key.startswith(_SOURCES)}


def _key(config: dict[str, Any]) -> str:
    return config_hash(_counting(config))


def _nearest(config: dict[str, Any], cells: list[Cell]) -> list[str]:
    """Return the keys in which a configuration differs from the cell of its method and task that is nearest."""
    own = _counting(config)
    same = [
        _counting(cell.config)
        for cell in cells
        if all(cell.config[part]["name"] == config[part]["name"] for part in ("method", "task"))
    ]
    differing = [[key for key in sorted(own | other) if own.get(key) != other.get(key)] for other in same]
    return min(differing, key=len)


def _data(config: dict[str, Any]) -> Data:
    data = config["data"]
    limits = (f"{key} {data[key]}" for key in ("max_train", "max_eval") if data.get(key) is not None)
    return (data["source"], *limits)


def _reason(run: StoredRun) -> str:
    """Return the first sentence of what a failed run says, behind a comma."""
    return f", {run.record.error.splitlines()[0].rstrip('.')}" if run.record.error else ""
