"""The tables that can be run: files of `configs/sweep/` with rows, columns and seeds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from frod_bench.config.catalogue import config_files
from frod_bench.config.old_names import current_override
from frod_bench.config.paths import paper_dir
from frod_bench.errors import RequestError, did_you_mean


@dataclass(frozen=True)
class TableSpec:
    """A file of `configs/sweep/`: overrides for each row, the task of each column, seeds for each profile.

    A column is a task, with overrides of `data` after it if it has its own numbers of rows.

    With `epochs`, the printed columns are the means over the tasks at these epochs; with None, they are the tasks.
    """

    name: str
    rows: dict[str, list[str]]
    columns: dict[str, str]
    epochs: list[int] | None
    seeds: dict[str, str]

    def restricted(self, methods: str | None, tasks: str | None) -> "TableSpec":
        """Return the table with only these rows and columns, names with commas; None keeps all.

        A row is named by its label or its method, a column by its label or its task. Raises RequestError for an
        unknown name.
        """
        rows, columns = self.rows, self.columns
        if methods:
            names = {label: [label, words[0].removeprefix("method=")] for label, words in rows.items()}
            rows = {label: rows[label] for label in _chosen("--methods", methods, names)}
        if tasks:
            tasks_of = {label: text.split()[0] for label, text in columns.items()}
            names = {label: [label, task, task.rpartition("/")[2]] for label, task in tasks_of.items()}
            columns = {label: columns[label] for label in _chosen("--tasks", tasks, names)}
        return replace(self, rows=rows, columns=columns)


def table_names() -> list[str]:
    """Return the names of all tables."""
    return sorted(name for name, file in config_files("sweep").items() if "rows" in _sweeper(file))


def load_table(name: str) -> TableSpec:
    """Return a table by its name or its number. Raises RequestError for an unknown one."""
    name = f"table{name}" if name.isdigit() else name
    if name not in table_names():
        raise RequestError(f"There is no table {name}. {did_you_mean(name, table_names())}")
    content = _sweeper(config_files("sweep")[name])
    return table_of(name, **{key: value for key, value in content.items() if not key.startswith("_")})


def table_of(
    name: str,
    rows: Mapping[str, str],
    columns: Mapping[str, str],
    seeds: Mapping[str, str],
    common: str = "",
    epochs: Sequence[int] | None = None,
) -> TableSpec:
    """Return the table of a file's values; a row with several values of a key stands for one row per combination."""
    expanded = (row for words in rows.items() for row in _expand(*words))
    words = {label: [current_override(word) for word in [*own, *common.split()]] for label, own in expanded}
    return TableSpec(name, words, dict(columns), None if epochs is None else list(epochs), dict(seeds))


def table_of_run(words: list[str], profile: str) -> tuple[TableSpec, str, list[str]]:
    """Return the table whose one cell is the run of these overrides, its profile, and the other overrides."""
    own = {"method": "frod", "task": "glue/sst2", "seed": "0", "profile": profile}
    given = [word.partition("=") for word in words]
    own |= {key: value for key, _, value in given if key in own}
    rest = [word for word, (key, _, _) in zip(words, given, strict=True) if key not in own]
    rows, columns = {own["method"]: f"method={own['method']}"}, {own["task"]: own["task"]}
    return table_of("run", rows, columns, {own["profile"]: own["seed"]}), own["profile"], rest


def is_printed(name: str) -> bool:
    """Return whether the paper prints the table. It does not print `figure6`, for example."""
    return (paper_dir() / f"{name}.csv").is_file()


def _expand(label: str, words: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the row, or one row per combination of the values in its overrides, named by the values that differ."""
    pairs = [word.partition("=") for word in words.split()]
    for values in itertools.product(*(value.split(",") for _, _, value in pairs)):
        chosen = [f"{key}={value}" for (key, _, _), value in zip(pairs, values, strict=True)]
        several = [word for word, (_, _, value) in zip(chosen, pairs, strict=True) if "," in value]
        yield " ".join([f"{label}:", *several] if several else [label]), chosen


def _sweeper(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]


def _chosen(option: str, text: str, names: dict[str, list[str]]) -> list[str]:
    """Return the requested labels, in the table's order."""
    asked = text.split(",")
    for word in asked:
        if not any(word in known for known in names.values()):
            hint = did_you_mean(word, {name for known in names.values() for name in known})
            raise RequestError(f"{option} {word} is not in the table. {hint}")
    return [label for label, known in names.items() if set(known) & set(asked)]
