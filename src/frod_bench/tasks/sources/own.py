"""Rows from files of the user's, or from a data set of the hub that is no task of ours."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, concatenate_datasets

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Source
from frod_bench.tasks.own.named_rows import NamedRows
from frod_bench.tasks.own.places import HubRows, entries, find
from frod_bench.tasks.own.tables import SUFFIXES, read_table
from frod_bench.tasks.sources.hub import HubSource
from frod_bench.tasks.sources.limit import check_sizes
from frod_bench.tasks.sources.local import LocalSource

OWN = "own"
_OTHERWISE = (
    "Give a file instead, task.train=FILE, or type data.root=DIR for a copy, DIR/OWNER/NAME/default/train.parquet"
)
_ONLY_CONFIG = "default"  # the folder of a data set's only configuration, below data.root


class OwnSource:
    """Read tables of the user's; `root` replaces the hub for data sets of the hub, and only for them."""

    def __init__(self, root: str | Path | None, max_row_bytes: int):
        self._hub: Source = HubSource(_OTHERWISE) if root is None else LocalSource(root, max_row_bytes)
        self._root, self.max_row_bytes = root, max_row_bytes

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of a split of a data set on the hub; see `Source.read`."""
        return self._hub.read(repo, config or (_ONLY_CONFIG if self._root else ""), split, schema)

    def count(self, repo: str, config: str, split: str, schema: Features) -> int | None:
        """See `Source.count`."""
        return self._hub.count(repo, config or (_ONLY_CONFIG if self._root else ""), split, schema)

    def provenance(self) -> dict[str, str]:
        """Return the provenance of the data sets of the hub that were read."""
        return self._hub.provenance()

    def table(self, place: Any, option: str) -> NamedRows:
        """Return the rows at a place, see `own.places`, with all columns; several files are read one after the other.

        Raises RequestError when there are none, and when files differ in their columns.
        """
        found = find(place, option)
        if isinstance(found, HubRows):
            rows = self.read(*found, Features({}))
            named = NamedRows(rows, [(str(found), len(rows))])
        else:
            if self._root is not None:
                raise RequestError(f"data.root={self._root} is not read with {option}={place}, a file. Leave it out.")
            named = _joined([(file, read_table(file, self.max_row_bytes)) for file in _files(found)])
        if len(named.rows) == 0:
            raise RequestError(f"{named} has no rows. Give a file with at least one row.")
        return named

    def check_sizes(self, named: NamedRows, columns: Iterable[str]) -> None:
        """Raise RequestError, naming the row, for a value with more bytes than data.max_row_bytes."""
        check_sizes(named.rows, list(columns), self.max_row_bytes, named.row)


def _files(found: list[Path]) -> list[Path]:
    """Return the files, those of folders by name."""
    return [file for path in found for file in (_in_folder(path) if path.is_dir() else [path])]


def _in_folder(folder: Path) -> list[Path]:
    files = [path for path in entries(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise RequestError(f"{folder} holds no file of rows; accepted: {', '.join(SUFFIXES)}.")
    return files


def _joined(tables: list[tuple[Path, Dataset]]) -> NamedRows:
    (first, rows), *others = tables
    for file, other in others:
        if set(other.column_names) != set(rows.column_names):
            raise RequestError(
                f"{file} has the columns {', '.join(other.column_names)}, and {first} has"
                f" {', '.join(rows.column_names)}. Files that are read together have the same."
            )
    try:
        joined = concatenate_datasets([table for _, table in tables]) if others else rows
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise RequestError(
            f"{first} and {others[-1][0]} differ in the types of their columns ({reason:.200})."
        ) from error
    return NamedRows(joined, [(str(file), len(table)) for file, table in tables])
