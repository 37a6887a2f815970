"""Read a file of rows in text (CSV, tab-separated, JSON lines, a JSON list). Needs neither torch nor `datasets`.

The readers of `datasets` take "NA" and "None" for missing texts, fill up short lines and rename columns that come
twice; here a cell holds what the file says, and a file that is not sound is refused.
"""

import codecs
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc_csv

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_HEADER = 2**16  # characters
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def read_text_table(path: Path, content: bytes) -> pa.Table:
    """Return all rows and columns of a file with the given content; cells of CSV are texts.

    `path` says by its suffix what the file is, and names it in messages. Raises RequestError, with the place in the
    file, for a file that cannot be read as that.
    """
    text = _decoded(path, content)
    return _from_csv(path, text) if path.suffix.lower() in (".csv", ".tsv") else _from_json(path, text)


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
    """Return the rows of a text with a header line; the delimiter is what the header has most of, outside quotes."""
    header = _QUOTED.sub("", text.lstrip("\n\r")[:_LONGEST_HEADER]).partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count) if path.suffix.lower() == ".csv" else "\t"
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
    """Return the rows of a list of records, or of one record per line; a key that a record lacks is null there."""
    if text.lstrip().startswith("["):
        records = _parsed(path, "it", text)
    else:
        lines = enumerate(text.split("\n"), 1)
        records = [_parsed(path, f"line {number}", line) for number, line in lines if line.strip()]
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise RequestError(f"{path}: row {number} is no record of the form {{column: value, …}}.")
    names = list(dict.fromkeys(name for record in records for name in record))
    return pa.table({name: _column([record.get(name) for record in records]) for name in names})


def _parsed(path: Path, place: str, text: str) -> Any:
    try:
        return parse_json(text, _record)
    except ValueError as error:
        raise RequestError(f"{path}: {place} is not JSON ({error}). Write one record per line.") from error


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


def _require_one_of_each(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{path} has two columns named {name!r}. Rename one of them.")
