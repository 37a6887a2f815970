"""Read a parquet file into memory, once it is known to fit there."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset

from frod_bench.errors import RequestError

UNREADABLE = (OSError, pa.ArrowException, ValueError, TypeError, KeyError, RecursionError)
# a file may unpack to 64 of the largest rows or to 1000 times its size, whichever is more
_ROWS = 64
_RATIO = 1000


def parquet_rows(path: Path, content: bytes, max_row_bytes: int | None) -> Dataset:
    """Return the rows of a file with the given content, with all of its columns; `path` names it in messages.

    With `max_row_bytes`, a file that would unpack to more than that per row, or to more than a thousand times its size,
    is refused before it is unpacked. Raises RequestError for that, for a damaged value, and one of `UNREADABLE` for
    what is no parquet file.
    """
    if max_row_bytes is not None:
        _check_size(path, content, max_row_bytes)
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    _check_values(table, path)
    return Dataset(table)


def _check_size(path: Path, content: bytes, max_row_bytes: int) -> None:
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


def unreadable(path: Path, error: Exception) -> RequestError:
    """Return the error for a file that cannot be read as what its suffix says."""
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
