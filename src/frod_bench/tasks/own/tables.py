"""Read a file of rows (CSV, tab-separated, JSON lines, a JSON list, parquet) straight into memory, without a cache.

The readers of `datasets` write a cache, take "NA" and "None" for missing texts, fill up short lines and rename columns
that come twice; here a cell holds what the file says, and a file that is not sound is refused.
"""

import codecs
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc_csv
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.parquet import UNREADABLE, parquet_rows, unreadable

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", ";", "\t")


def read_table(path: Path, max_row_bytes: int) -> Dataset:
    """Return all rows and columns of a file; those of CSV are texts.

    Raises RequestError, naming the file and where in it, for a file that cannot be read as what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(f"{path} is no file of rows that can be read; accepted: {', '.join(SUFFIXES)}.")
    try:
        content = path.read_bytes()
        if suffix == ".parquet":
            return _plain(parquet_rows(path, content, max_row_bytes))
        text = _decoded(path, content)
        return Dataset(_from_csv(path, text) if suffix in (".csv", ".tsv") else _from_json(path, text))
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def _decoded(path: Path, content: bytes) -> str:
    """Return the text of a file in UTF-8, or in the encoding that its byte order mark names."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RequestError(
            f"{path} is not in {encoding.upper().removesuffix('-SIG')}: line {line} holds the byte"
            f" 0x{content[error.start]:02x}. Save the file as UTF-8."
        ) from error


def _from_csv(path: Path, text: str) -> pa.Table:
    """Return the rows of a text with a header line; the delimiter is the first of , ; and tab in the header."""
    header = text.lstrip("\n\r").partition("\n")[0]
    delimiter = next((mark for mark in _DELIMITERS if mark in header), ",") if path.suffix.lower() == ".csv" else "\t"
    data = text.encode()
    if not data.strip():
        raise RequestError(f"{path} is empty. Give a file with a header line and at least one row.")
    parsing = pc_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # one block, so that a long row fits and the number of a row in a message is that in the file
    reading = pc_csv.ReadOptions(use_threads=False, block_size=min(len(data) + 1, 2**31 - 1))
    try:
        names = pc_csv.open_csv(io.BytesIO(data), reading, parsing).schema.names
        _require_one_of_each(path, names)
        kinds = pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False)
        return pc_csv.read_csv(io.BytesIO(data), reading, parsing, kinds)
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).removeprefix("CSV parse error: ").split())
        raise RequestError(
            f"{path} cannot be read as CSV: {reason:.200} (the header is row #1). Put cells that hold a delimiter, a"
            " quote or a line break in quotes."
        ) from error


def _from_json(path: Path, text: str) -> pa.Table:
    """Return the rows of a list of records, or of one record a line; a key that a record lacks is null there."""
    if text.lstrip().startswith("["):
        records = json.loads(text, object_pairs_hook=_record)
    else:
        records = [_line(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise RequestError(f"{path}: row {number} is no record of the form {{column: value, …}}.")
    names = list(dict.fromkeys(name for record in records for name in record))
    return pa.table({name: _column([record.get(name) for record in records]) for name in names})


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_record)
    except ValueError as error:
        raise RequestError(f"{path}: line {number} is not JSON ({error}). Write one record a line.") from error


def _record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a record has the key {next(name for name in names if names.count(name) > 1)!r} twice.")
    return record


def _column(values: list[Any]) -> pa.Array:
    """Return values as a column; those of several types, and whole numbers too large for one, as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError):
        texts = [value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False) for value in values]
        return pa.array(texts, pa.large_string())


def _plain(rows: Dataset) -> Dataset:
    """Return the rows with the categories that pandas writes as plain values."""
    table = rows.data.table
    categories = [n for n, field in enumerate(table.schema) if pa.types.is_dictionary(field.type)]
    for n in categories:
        table = table.set_column(n, table.schema.names[n], table.column(n).cast(table.schema.types[n].value_type))
    return Dataset(table) if categories else rows


def _require_one_of_each(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{path} has two columns named {name!r}. Rename one of them.")
