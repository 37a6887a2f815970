"""Rows from files in a directory: `<root>/<hub id>/<config>/<split>.parquet`, or `.json` with a list of records."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.sources.fingerprint import Fingerprint

_UNREADABLE = (OSError, pa.ArrowException, ValueError, TypeError, KeyError, RecursionError)
# a file may unpack to 64 of the largest rows or to 1000 times its size, whichever is more
_ROWS = 64
_RATIO = 1000


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
            rows = _from_json(content) if path.suffix == ".json" else self._from_parquet(path, content)
        except FileNotFoundError:
            raise RequestError(self._missing(path)) from None
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        self._read.add(str(name), content)
        return rows

    def count(self, repo: str, config: str, split: str, schema: Features) -> int:
        """See `Source.count`; reads only the footer of a parquet file."""
        _, path = self._place(repo, config, split)
        try:
            return len(_from_json(path.read_bytes())) if path.suffix == ".json" else pq.read_metadata(path).num_rows
        except FileNotFoundError:
            raise RequestError(self._missing(path)) from None
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error

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

    def _from_parquet(self, path: Path, content: bytes) -> Dataset:
        if self._max_row_bytes is not None:
            self._check_size(path, content, self._max_row_bytes)
        table = pq.ParquetFile(pa.BufferReader(content)).read()
        _check_values(table, path)
        return Dataset(table)

    def _check_size(self, path: Path, content: bytes, max_row_bytes: int) -> None:
        """Raise RequestError for a file that unpacks to too much, without unpacking repeated texts."""
        schema = pq.ParquetFile(pa.BufferReader(content)).schema
        texts = [schema.column(n).path for n in range(len(schema)) if schema.column(n).physical_type == "BYTE_ARRAY"]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts)
        accepted, unpacked = max(_ROWS * max_row_bytes, _RATIO * len(content)), 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            if group.total_byte_size > max_row_bytes * max(group.num_rows, 1):
                raise RequestError(
                    f"{path} holds {group.total_byte_size:,} bytes in {group.num_rows} rows; accepted:"
                    f" {max_row_bytes:,} a row. Shorten them, or raise data.max_row_bytes."
                )
            unpacked += 8 * sum(group.column(n).num_values for n in range(group.num_columns))
            if unpacked <= accepted:
                unpacked += sum(map(_text_bytes, _encoded(file.read_row_group(number))))
            if unpacked > accepted:
                raise RequestError(
                    f"{path} would unpack from {len(content):,} bytes to more than {accepted:,}. Shorten its values,"
                    " or raise data.max_row_bytes."
                )

    def _missing(self, path: Path) -> str:
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.parquet"))) or "none"
        return f"There is no {path}; the splits there: {there}. Put the file there, or type another data.root=DIR."


def _unreadable(path: Path, error: Exception) -> RequestError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return RequestError(f"{path} cannot be read as {path.suffix[1:]}: {reason} Replace it with a whole copy.")


def _check_values(table: pa.Table, path: Path) -> None:
    """Raise RequestError for a value that is not valid for its type, such as a text that is not UTF-8."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        first = 0
        for chunk in column.chunks:
            if reason := _fault(chunk):
                row, rows = 0, len(chunk)
                while rows > 1:  # bisect
                    half = rows // 2
                    # a copy, since validating a slice of a nested array checks the whole array
                    before = _fault(chunk.take(pa.array(range(row, row + half)))) is not None
                    row, rows = (row, half) if before else (row + half, rows - half)
                raise RequestError(
                    f"{path} cannot be read as parquet: row {first + row} of column {name} is damaged ({reason})."
                    " Write that row again, texts in UTF-8."
                )
            first += len(chunk)


def _fault(array: pa.Array) -> str | None:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        return str(error).splitlines()[0]
    return None


def _encoded(table: pa.Table) -> Iterator[pa.DictionaryArray]:
    """Yield every dictionary-encoded array of the table, including those inside structs and lists."""
    waiting = [chunk for column in table.columns for chunk in column.chunks]
    while waiting:
        array = waiting.pop()
        if isinstance(array, pa.DictionaryArray):
            yield array
        elif isinstance(array, pa.StructArray):
            waiting += array.flatten()
        elif pa.types.is_nested(array.type):
            waiting.append(array.values)


def _text_bytes(array: pa.DictionaryArray) -> int:
    return pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0


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
