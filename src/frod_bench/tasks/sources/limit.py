"""Refuse rows that are too large to be intended, before they are processed."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Source

_ROWS = 1000  # checked at a time


class Limited:
    """A source whose rows hold at most `max_row_bytes` stored bytes in any column."""

    def __init__(self, source: Source, max_row_bytes: int):
        self.source, self._limit = source, max_row_bytes

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """See `Source.read`. Also raises `RequestError`, naming the row, for a row above the limit."""
        rows = self.source.read(repo, config, split, schema)
        columns = [name for name in schema if name in rows.column_names]
        check_sizes(rows, columns, self._limit, lambda row: f"Row {row} of {repo}/{config}/{split}")
        return rows

    def count(self, repo: str, config: str, split: str, schema: Features) -> int | None:
        """See `Source.count`."""
        return self.source.count(repo, config, split, schema)

    def provenance(self) -> dict[str, str]:
        """See `Source.provenance`."""
        return self.source.provenance()


def check_sizes(rows: Dataset, columns: Sequence[str], limit: int, row_name: Callable[[int], str]) -> None:
    """Raise `RequestError`, naming the row, for a value of the columns that takes more than `limit` stored bytes."""
    for number, table in enumerate(rows.select_columns(list(columns)).with_format("arrow").iter(_ROWS)):
        for name in columns:
            sizes = np.concatenate([_sizes(chunk) for chunk in table[name].chunks])
            if sizes.max(initial=0) > limit:
                row = int(sizes.argmax())
                raise RequestError(
                    f"{row_name(number * _ROWS + row)} holds {sizes[row]:,} bytes in column"
                    f" {name}; accepted: {limit:,}. Shorten or remove it, or raise data.max_row_bytes."
                )


def check_limit(max_row_bytes: int) -> None:
    """Raise `RequestError` for a limit that is not a whole number above 0."""
    if isinstance(max_row_bytes, bool) or not isinstance(max_row_bytes, int) or max_row_bytes < 1:
        raise RequestError(f"data.max_row_bytes={max_row_bytes} is not accepted: a whole number above 0.")


def _sizes(array: pa.Array) -> np.ndarray:
    """Return the bytes of every row of an Arrow array, int64 [rows]; null counts as 0."""
    if isinstance(array, pa.ExtensionArray):
        return _sizes(array.storage)
    kind = array.type
    if pa.types.is_struct(kind):
        return sum((_sizes(field) for field in array.flatten()), start=np.zeros(len(array), dtype=np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = _filled(pc.list_value_length(array))
        inner = np.concatenate([[0], np.cumsum(_sizes(array.flatten()))])
        ends = np.cumsum(lengths)
        return inner[ends] - inner[ends - lengths]
    if any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string)) or any(
        is_kind(kind) for is_kind in (pa.types.is_binary, pa.types.is_large_binary)
    ):
        return _filled(pc.binary_length(array))
    return np.full(len(array), 8, dtype=np.int64)


def _filled(lengths: pa.Array) -> np.ndarray:
    return pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)
