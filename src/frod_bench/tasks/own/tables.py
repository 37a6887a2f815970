"""Read a file of rows straight into memory, without a cache."""

from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.parquet import UNREADABLE, parquet_rows, unreadable
from frod_bench.tasks.text_tables import SUFFIXES as OF_TEXT
from frod_bench.tasks.text_tables import read_text_table

SUFFIXES = (*OF_TEXT, ".parquet")


def read_table(path: Path, max_row_bytes: int) -> Dataset:
    """Return all rows and columns of a file.

    Raises RequestError, naming the file and where in it, for a file that cannot be read as what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(f"{path} is no file of rows that can be read; accepted: {', '.join(SUFFIXES)}.")
    try:
        content = path.read_bytes()
        if suffix == ".parquet":
            return _plain(parquet_rows(path, content, max_row_bytes))
        return Dataset(read_text_table(path, content))
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def _plain(rows: Dataset) -> Dataset:
    """Return the rows with the categories that pandas writes as plain values."""
    table = rows.data.table
    categories = [n for n, field in enumerate(table.schema) if pa.types.is_dictionary(field.type)]
    for n in categories:
        table = table.set_column(n, table.schema.names[n], table.column(n).cast(table.schema.types[n].value_type))
    return Dataset(table) if categories else rows
