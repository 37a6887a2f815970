"""The classes of one's own rows: found in the label column of the training rows, in an order that does not change."""

import re
from typing import Any

from datasets import ClassLabel, Value

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.own.named_rows import NamedRows

_INTEGER = re.compile(r"[+-]?\d{1,300}(\.0*)?")
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_KINDS = re.compile(r"u?int\d+|bool|float\d+|(large_)?string")
_MOST_INTEGERS = 1000  # more different ones are quantities, not classes
_FEW = 20  # so many classes are accepted even where most rows have one of their own


def label_texts(named: NamedRows, column: str) -> list[str]:
    """Return the label of every row as a text, without blanks around it.

    Raises RequestError, naming the row, for a missing label and for a fraction, and for a column of lists.
    """
    kind = named.rows.features[column]
    values = named.rows[column]
    if isinstance(kind, ClassLabel):
        labels = [None if value is None or value < 0 else kind.names[value] for value in values]
    elif isinstance(kind, Value) and _KINDS.fullmatch(kind.dtype):
        labels = [_text(value) for value in values]
    elif isinstance(kind, Value):
        raise RequestError(f"Column {column} of {named} is of type {kind.dtype}; accepted: texts and whole numbers.")
    else:
        raise RequestError(
            f"Column {column} of {named} holds lists or records, and a row has one label here. Give a column with one"
            " text or whole number per row: several labels per row are not supported."
        )
    for row, label in enumerate(labels):
        if label is None or not (text := label.strip()):
            raise RequestError(
                f"{named.row(row)} has no label in column {column}{_in_all(labels)}. Fill in or remove that row."
            )
        labels[row] = text
    return [label for label in labels if label is not None]


def classes_of(named: NamedRows, column: str, labels: list[str]) -> list[str]:
    """Return the classes among the labels of training rows: in declared order, by number, or else by spelling.

    Raises RequestError for a single class, for fractions, and for so many values that they cannot be classes.
    """
    found = set(labels)
    kind = named.rows.features[column]
    where = f"Column {column} of {named}"
    if len(found) < 2:
        raise RequestError(f"{where} has one class only, {labels[0]!r}; accepted: two or more.")
    if isinstance(kind, ClassLabel):
        return [name.strip() for name in kind.names if name.strip() in found]
    numbers = all(map(_NUMBER.fullmatch, found))
    if numbers and (fraction := next((row for row, text in enumerate(labels) if not _whole(text)), None)) is not None:
        raise RequestError(
            f"{named.row(fraction)} has the label {labels[fraction]} in column {column}: a fraction is a quantity to"
            " predict (regression), which is not supported. Give a column of classes."
        )
    if (numbers and len(found) > _MOST_INTEGERS) or len(found) > max(_FEW, len(labels) // 2):
        raise RequestError(
            f"{where} has {len(found):,} different values in {len(labels):,} rows, too many for classes. Name another"
            " column with task.label=."
        )
    return sorted(found, key=_by_number if numbers else str)


def class_numbers(named: NamedRows, column: str, labels: list[str], classes: list[str]) -> list[int]:
    """Return the class number of every label. Raises RequestError, naming the row, for one that is no class."""
    number_of = {name: number for number, name in enumerate(classes)}
    for row, label in enumerate(labels):
        if label not in number_of:
            shown = did_you_mean(label, classes) if len(classes) <= _FEW else f"There are {len(classes)} classes."
            raise RequestError(
                f"{named.row(row)} has the label {label!r} in column {column}, which no training row has. {shown}"
            )
    return [number_of[label] for label in labels]


def _text(value: Any) -> str | None:
    """Return a label as a text: a whole float without its fraction, a truth value in small letters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return None if value != value else str(int(value)) if value.is_integer() else repr(value)
    return None if value is None else str(value)


def _whole(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _by_number(text: str) -> tuple[int, str]:
    return int(text.partition(".")[0]), text


def _in_all(labels: list[str | None]) -> str:
    missing = sum(label is None or not label.strip() for label in labels)
    return f" ({missing:,} rows have none)" if missing > 1 else ""
