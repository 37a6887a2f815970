"""Checks of the rows of a split: the first bad row is named, and no row is dropped silently."""

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Image, Value

from frod_bench.errors import RequestError, listed

_TEXT = ("string", "large_string")


class Named(Protocol):
    """A task, as far as messages name it."""

    @property
    def name(self) -> str:
        """As the user types it."""


def require_entries(task: Named, keys: Sequence[str]) -> None:
    """Raise `RequestError` when a list of the task, named as the user types it, is empty."""
    for key in keys:
        if not getattr(task, key):
            raise RequestError(f"task.{key} is empty: name at least one, as configs/task/{task.name}.yaml does.")


def check_rows(rows: Dataset, where: str, texts: Sequence[str], label: str, label_names: Sequence[str]) -> None:
    """Check that every row has its text columns and a known label.

    `where` names the split in messages, as in "nyu-mll/glue/rte/train".
    Raises `RequestError` on an empty split, a missing or wrongly typed column, a null, or a label out of range.
    """
    _check_columns(rows, where, (*texts, label))
    table = rows.with_format("arrow")[:]
    for name in texts:
        kind = rows.features[name]
        if getattr(kind, "dtype", None) not in _TEXT:
            raise RequestError(f"Column {name} of {where} is of type {_type_name(kind)}; accepted: string.")
        _check_no_null(table[name], name, where)
    _check_label_type(rows.features[label], label, where, label_names)
    _check_no_null(table[label], label, where)
    _check_label_range(table[label], label, where, len(label_names))


def check_image_rows(rows: Dataset, where: str, image: str, label: str, label_names: Sequence[str]) -> None:
    """Check that every row has an encoded image and a known label; the images are not decoded.

    The classes may differ from `label_names` in spelling and order, but not in number. Raises `RequestError` as
    `check_rows` does.
    """
    _check_columns(rows, where, (image, label))
    kind = rows.features[image]
    if not isinstance(kind, Image) and not (isinstance(kind, dict) and set(kind) == {"bytes", "path"}):
        raise RequestError(
            f"Column {image} of {where} is of type {_type_name(kind)}; "
            "accepted: the hub's Image, a record of the bytes of an image file and its path."
        )
    columns = rows.select_columns([image, label]).with_format("arrow")[:]
    _check_no_null(columns[image], image, where)
    kind = rows.features[label]
    if isinstance(kind, ClassLabel) and kind.num_classes != len(label_names):
        raise RequestError(
            f"Column {label} of {where} has {kind.num_classes} classes; accepted: {len(label_names)}, as many as "
            "task.label_names has. Give the task's own data, or its class names as task.label_names=[...]."
        )
    if not isinstance(kind, ClassLabel):
        _check_label_type(kind, label, where, label_names)
    _check_no_null(columns[label], label, where)
    _check_label_range(columns[label], label, where, len(label_names))


def _check_columns(rows: Dataset, where: str, columns: Sequence[str]) -> None:
    if len(rows) == 0:
        raise RequestError(f"{where} has no rows. Give a split with at least one row.")
    missing = [name for name in columns if name not in rows.column_names]
    if missing:
        raise RequestError(
            f"{where} has no column {', '.join(missing)}; its columns are {listed(rows.column_names)}. "
            f"Accepted: the hub's columns {', '.join(columns)}."
        )


def _check_no_null(column: pa.ChunkedArray, name: str, where: str) -> None:
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise RequestError(f"Row {row} of {where} has no value in column {name}. Fill in or remove that row.")


def _check_label_type(kind: object, label: str, where: str, names: Sequence[str]) -> None:
    if isinstance(kind, ClassLabel):
        if list(kind.names) != list(names):
            raise RequestError(
                f"Column {label} of {where} has the classes {', '.join(kind.names)}; "
                f"accepted, in this order: {', '.join(names)}."
            )
    elif not (isinstance(kind, Value) and "int" in kind.dtype):
        raise RequestError(
            f"Column {label} of {where} is of type {_type_name(kind)}; "
            f"accepted: whole numbers 0 to {len(names) - 1} ({', '.join(names)})."
        )


def _check_label_range(column: pa.ChunkedArray, label: str, where: str, num_labels: int) -> None:
    outside = pc.or_(pc.less(column, 0), pc.greater_equal(column, num_labels))
    row = pc.index(outside, True).as_py()
    if row >= 0:
        raise RequestError(
            f"Row {row} of {where} has {label} {column[row].as_py()}; accepted: 0 to {num_labels - 1}. "
            "Rows without a label (-1) cannot be trained on or evaluated."
        )


def _type_name(kind: object) -> str:
    return str(getattr(kind, "dtype", None) or type(kind).__name__)
