"""Rows from files in a directory: `<root>/<hub id>/<config>/<split>.parquet`, or `.json` with a list of records."""

import json
from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq
from datasets import Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.parquet import UNREADABLE, parquet_rows, unreadable
from frod_bench.tasks.sources.fingerprint import Fingerprint


class LocalSource:
    """Read files straight into memory, without a cache.

    With `max_row_bytes`, a file that would unpack to more than that per row, or to more than a thousand times its size,
    is refused before it is unpacked. Raises `RequestError` when `root` is not a directory.
    """

    def __init__(self, root: str | Path | None, max_row_bytes: int | None = None):
        self._max_row_bytes = max_row_bytes
        if root is None:
            raise RequestError("data.source=local needs a directory: type data.root=DIR.")
        self._root = Path(root).expanduser()
        if not self._root.is_dir():
            state = "is not a directory" if self._root.exists() else "does not exist"
            raise RequestError(
                f"data.root={root} {state}. Accepted: a directory that holds <hub id>/<config>/<split>.parquet."
            )
        self._read = Fingerprint()

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one file, with all of its columns.

        Raises `RequestError` when the path leaves the root, and when the file is missing or not readable.
        """
        name, path = self._place(repo, config, split)
        try:
            content = path.read_bytes()
            rows = _from_json(content) if path.suffix == ".json" else parquet_rows(path, content, self._max_row_bytes)
        except FileNotFoundError:
            raise RequestError(self._missing(path)) from None
        except UNREADABLE as error:
            raise unreadable(path, error) from error
        self._read.add(str(name), content)
        return rows

    def count(self, repo: str, config: str, split: str, schema: Features) -> int:
        """See `Source.count`; reads only the footer of a parquet file."""
        _, path = self._place(repo, config, split)
        try:
            return len(_from_json(path.read_bytes())) if path.suffix == ".json" else pq.read_metadata(path).num_rows
        except FileNotFoundError:
            raise RequestError(self._missing(path)) from None
        except UNREADABLE as error:
            raise unreadable(path, error) from error

    def provenance(self) -> dict[str, str]:
        """Return the source and the fingerprint of the files read so far."""
        return {"source": "local", "fingerprint": self._read.digest()}

    def _place(self, repo: str, config: str, split: str) -> tuple[PurePosixPath, Path]:
        """Return the file of a split, relative to the root and in full. Raises `RequestError` if it lies outside."""
        name = PurePosixPath(repo, config, f"{split}.parquet")
        if name.is_absolute() or ".." in name.parts:
            raise RequestError(f"{name} lies outside data.root. Accepted: <hub id>/<config>/<split>, without '..'.")
        path = self._root / name
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise RequestError(f"{path} is a link that leads out of data.root. Put the file itself there.")
        if not path.exists() and path.with_suffix(".json").exists():
            path, name = path.with_suffix(".json"), name.with_suffix(".json")
        return name, path

    def _missing(self, path: Path) -> str:
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.parquet"))) or "none"
        return f"There is no {path}; the splits there: {there}. Put the file there, or type another data.root=DIR."


def _from_json(content: bytes) -> Dataset:
    records = json.loads(content)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("it is no list of records.")
    for number, record in enumerate(records):
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"row {number} holds half a character ({error.object[error.start]!r}).") from None
    return Dataset.from_list(records)
