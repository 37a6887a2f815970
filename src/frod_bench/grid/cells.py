"""The cells of a table, composed to one configuration each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from frod_bench.config import earlier
from frod_bench.config.catalogue import settings
from frod_bench.config.overrides import as_request_error, check_overrides
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve
from frod_bench.errors import RequestError
from frod_bench.grid.tables import TableSpec
from frod_bench.record import RunRecord, default_directory, identity_of
from frod_bench.runs.complete import completed_record

# keys that a table sets itself, and what to type instead
_OWN = {
    "method": "--methods",
    "task": "--tasks",
    "seed": "--seeds",
    "profile": "--profile",
    "sweep": "the table's name",
    "out": "FROD_BENCH_OUT=DIR before the command",
}


@dataclass(frozen=True)
class Cell:
    """One run of a table: its row, its column and its resolved configuration."""

    row: str
    column: str
    config: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.row} on {self.column}, seed {self.config['seed']}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings that define the run; see `record.identity`."""
        return settings(self.config)

    @cached_property
    def identity(self) -> str:
        """The identity of the run, a digest of its settings."""
        return identity_of(self.settings)

    @property
    def directory(self) -> Path:
        """The directory of the run."""
        return default_directory(self.config, self.identity)

    def completed(self) -> RunRecord | None:
        """Return the record of this run if it is complete, else None; always None with force=true."""
        return None if self.config["force"] else completed_record(self.directory, self.identity)


def compose_cells(
    table: TableSpec, profile: str, seeds: str | None, overrides: list[str], tuned: bool = True
) -> list[Cell]:
    """Return all cells, one seed after the other, so that an interrupted table is complete for the first seeds.

    `seeds` are whole numbers with commas; None means the table's own. With protocol=fair the rates are the tuned ones;
    without `tuned`, the recipe's where nothing is tuned yet. Raises RequestError for an override with an unknown key,
    and for one that the table sets itself.
    """
    _check(overrides, table)
    numbers = whole_numbers(seeds or table.seeds[profile])
    words = [f"profile={profile}", *overrides]
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return sorted(_compose(table, numbers, words, tuned), key=lambda cell: numbers.index(cell.config["seed"]))


def with_first_stages(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells and, before those that are not complete, the runs that they make first and that are no cells."""
    known = {cell.identity for cell in cells}
    found = []
    for cell in cells:
        first = earlier.to_make_first(cell.config)
        if first is not None and cell.completed() is None:
            stage = Cell(f"{cell.row}, first stage", cell.column, first)
            if stage.identity not in known:
                known.add(stage.identity)
                found.append(stage)
        found.append(cell)
    return found


def _check(overrides: list[str], table: TableSpec) -> None:
    """Raise RequestError for an override that a table does not accept."""
    check_overrides(overrides, [])
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise as_request_error(error, overrides) from error
    for word, override in zip(overrides, parsed, strict=True):
        key = override.key_or_group
        if key in _OWN:
            raise RequestError(f"{word} is not accepted here: a table sets {key}=. Use {_OWN[key]}.")
        if key.startswith("hydra"):
            raise RequestError(f"{word} is not accepted here. Type `frod-bench -m sweep={table.name} {word}` for that.")
        if override.is_sweep_override():
            raise RequestError(f"{word} is not accepted here: a table has one value of {key}. Run one table per value.")


def _compose(table: TableSpec, seeds: list[int], words: list[str], tuned: bool) -> Iterator[Cell]:
    # Hydra takes 0.2 s to compose, so a configuration is composed for each row and each task, not for each pair
    (first_row, own), first_task = next(iter(table.rows.items())), next(iter(table.columns.values())).split()[0]
    columns: dict[str, DictConfig] = {}
    for column, text in table.columns.items():
        task, *rows = text.split()
        with _errors_of_row(first_row, chosen := [*own, *rows, f"task={task}", *words]):
            columns[column] = hydra.compose("config", chosen)
    for row, own in table.rows.items():
        with _errors_of_row(row, chosen := [*own, f"task={first_task}", *words]):
            config = hydra.compose("config", chosen)
            for column, composed in columns.items():
                config.task, config.data = composed.task, composed.data
                resolved = resolve(config, tuned=False)
                for seed in seeds:
                    yield Cell(row, column, earlier.with_seed(resolved, seed, tuned))


@contextmanager
def _errors_of_row(row: str, words: list[str]) -> Iterator[None]:
    """Turn an error of Hydra inside the block into a RequestError that names the row."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(f"{row}: {as_request_error(error, words)}") from error


def whole_numbers(text: str) -> list[int]:
    """Return the seeds in a text with commas, each once. Raises RequestError for another text."""
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() for word in words):
        raise RequestError(f"--seeds {text} is not accepted: whole numbers with commas, as in 0,1,2.")
    return list(dict.fromkeys(map(int, words)))
