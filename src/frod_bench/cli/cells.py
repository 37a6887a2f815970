"""The cells of a table of the paper: a file of `configs/sweep/`, composed to one configuration a run."""

import argparse
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from frod_bench.cli.identity import default_directory, identity, output_root
from frod_bench.cli.overrides import check_overrides, choices, in_one_sentence
from frod_bench.cli.paths import config_dir
from frod_bench.cli.recipe import register_resolvers
from frod_bench.cli.run import plain
from frod_bench.errors import RequestError, nearest
from frod_bench.record import RunDirectory, RunRecord

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
class Preset:
    """A file of `configs/sweep/`: overrides for each row, the task of each column, seeds for each profile.

    `epochs` are those whose means over the tasks are the printed columns, None where a task is one.
    """

    name: str
    rows: dict[str, list[str]]
    columns: dict[str, str]
    epochs: list[int] | None
    seeds: dict[str, str]


@dataclass(frozen=True)
class Cell:
    """One run of a table: its place there and its resolved configuration."""

    row: str
    column: str
    config: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.row} on {self.column}, seed {self.config['seed']}"

    @property
    def directory(self) -> Path:
        """Where the run goes."""
        return default_directory(self.config)

    def completed(self) -> RunRecord | None:
        """Return the record of this very run if it is complete, unless force=true asks for a new one."""
        run = RunDirectory(self.directory)
        if self.config["force"] or not run.record.exists():
            return None
        try:
            record = run.completed()
        except RequestError:  # the run that is made for the cell says what is damaged
            return None
        return record if record is not None and record.config_hash == identity(self.config) else None


def presets() -> list[str]:
    """Return the names of all tables: the files with rows."""
    folder = config_dir() / "sweep"
    return sorted(file.stem for file in folder.glob("*.yaml") if "rows" in _sweeper(file))


def load_preset(name: str) -> Preset:
    """Return a table by its name, or by its number alone. Raises RequestError for an unknown one."""
    name = f"table{name}" if name.isdigit() else name
    if name not in presets():
        raise RequestError(f"There is no table {name}. {nearest(name, presets())}")
    content = _sweeper(config_dir() / f"sweep/{name}.yaml")
    shared = content.get("common", "").split()
    rows = {label: [*words, *shared] for row in content["rows"].items() for label, words in _expand(*row)}
    return Preset(name, rows, content["columns"], content.get("epochs"), content["seeds"])


def add_arguments(parser: argparse.ArgumentParser, folders: bool = False) -> None:
    """Add what every command about a table takes; with `folders`, these may stand among the overrides."""
    add = parser.add_argument
    add("--profile", default="paper", choices=choices("profile"), help="default: paper")
    add("--seeds", metavar="0,1,…", help="default: those of configs/sweep/TABLE.yaml")
    add("--methods", metavar="M,…", help="only these, by the row's name or by method=")
    add("--tasks", metavar="T,…", help="only these, by the column's name or by task=")
    overrides = "overrides go to every cell, as in data.root=DIR train.epochs=2"
    if folders:
        where = f"where runs are: a run's directory or any folder above (default: {output_root()}); {overrides}"
        add("words", nargs="*", default=[], metavar="FOLDER|OVERRIDE", help=where)
    else:
        add("words", nargs="*", default=[], metavar="OVERRIDE", help=overrides)


def restricted(arguments: argparse.Namespace) -> Preset:
    """Return the table with the rows and columns that were asked for. Raises RequestError for an unknown one."""
    preset = load_preset(arguments.table)
    rows, columns = preset.rows, preset.columns
    if arguments.methods:
        names = {label: [label, words[0].removeprefix("method=")] for label, words in rows.items()}
        rows = {label: rows[label] for label in _chosen("--methods", arguments.methods, names)}
    if arguments.tasks:
        names = {label: [label, task, task.rpartition("/")[2]] for label, task in columns.items()}
        columns = {label: columns[label] for label in _chosen("--tasks", arguments.tasks, names)}
    return replace(preset, rows=rows, columns=columns)


def compose_cells(preset: Preset, arguments: argparse.Namespace, overrides: list[str]) -> list[Cell]:
    """Return all cells, a seed after the other, so that what is interrupted leaves a whole table of fewer seeds.

    Raises RequestError for an override whose key no run would take, and for one that the table sets itself.
    """
    _check(overrides, preset)
    seeds = _whole_numbers(arguments.seeds or preset.seeds[arguments.profile])
    words = [f"profile={arguments.profile}", *overrides]
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return sorted(_compose(preset, seeds, words), key=lambda cell: seeds.index(cell.config["seed"]))


def runnable_cells(preset: Preset, arguments: argparse.Namespace) -> tuple[list[Cell], dict[str, str]]:
    """Return all cells, and why no missing cell of a column can run for want of data, by the column.

    Raises RequestError for a value that no run would take, and when no column is left.
    """
    cells = compose_cells(preset, arguments, arguments.words)
    if arguments.words or arguments.seeds:  # the files' own values are right
        _check_values(cells)
    return cells, _columns_without_data(cells)


def _columns_without_data(cells: list[Cell]) -> dict[str, str]:
    from frod_bench.cli.estimate import count_rows  # its libraries take seconds

    without: dict[str, str] = {}
    for column, cell in {cell.column: cell for cell in cells if cell.completed() is None}.items():
        try:
            count_rows(cell.config)
        except RequestError as error:
            without[column] = str(error)
    if without and len(without) == len({cell.column for cell in cells}):
        raise RequestError(next(iter(without.values())))
    return without


def _check(overrides: list[str], preset: Preset) -> None:
    """Raise RequestError for a word that no table takes."""
    check_overrides(overrides, [])
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise in_one_sentence(error, overrides) from error
    for word, override in zip(overrides, parsed, strict=True):
        key = override.key_or_group
        if key in _OWN:
            raise RequestError(f"{word} is not accepted here: a table sets {key}=. Use {_OWN[key]}.")
        if key.startswith("hydra"):
            raise RequestError(
                f"{word} is not accepted here. Type `frod-bench -m sweep={preset.name} {word}` for that."
            )
        if override.is_sweep_override():
            raise RequestError(f"{word} is not accepted here: a table has one value of {key}. Make one of each.")


def _check_values(cells: list[Cell]) -> None:
    """Raise RequestError for a value that the run of a cell would refuse; a row and a column once."""
    from frod_bench.cli.job import make_parts  # torch and transformers take seconds

    for cell in {(cell.row, cell.column): cell for cell in cells}.values():
        make_parts(cell.config)


def _compose(preset: Preset, seeds: list[int], words: list[str]) -> Iterator[Cell]:
    # Hydra takes 0.2 s to compose, so a configuration is composed for each row and each task, not for each pair
    (first_row, own), first_task = next(iter(preset.rows.items())), next(iter(preset.columns.values()))
    tasks: dict[str, DictConfig] = {}
    for column, task in preset.columns.items():
        with _said_of(first_row, chosen := [*own, f"task={task}", *words]):
            tasks[column] = hydra.compose("config", chosen).task
    for row, own in preset.rows.items():
        with _said_of(row, chosen := [*own, f"task={first_task}", *words]):
            config = hydra.compose("config", chosen)
            for column, task in tasks.items():
                config.task = task
                resolved = plain(config)
                for seed in seeds:
                    yield Cell(row, column, resolved | {"seed": seed})


@contextmanager
def _said_of(row: str, words: list[str]) -> Iterator[None]:
    """Turn what Hydra finds wrong inside the block into a RequestError that names the row."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(f"{row}: {in_one_sentence(error, words)}") from error


def _expand(label: str, words: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the row, or one for each combination where its words have several values, named by what differs."""
    pairs = [word.partition("=") for word in words.split()]
    for values in itertools.product(*(value.split(",") for _, _, value in pairs)):
        chosen = [f"{key}={value}" for (key, _, _), value in zip(pairs, values, strict=True)]
        several = [word for word, (_, _, value) in zip(chosen, pairs, strict=True) if "," in value]
        yield " ".join([f"{label}:", *several] if several else [label]), chosen


def _sweeper(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]


def _chosen(option: str, text: str, names: dict[str, list[str]]) -> list[str]:
    """Return the labels that were asked for, in the table's order."""
    asked = text.split(",")
    for word in asked:
        if not any(word in known for known in names.values()):
            raise RequestError(
                f"{option} {word} is not in the table. {nearest(word, {n for known in names.values() for n in known})}"
            )
    return [label for label, known in names.items() if set(known) & set(asked)]


def _whole_numbers(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() for word in words):
        raise RequestError(f"--seeds {text} is not accepted: whole numbers with commas, as in 0,1,2.")
    return list(dict.fromkeys(map(int, words)))
