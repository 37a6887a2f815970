"""The columns of a question-answering data set as its YAML declares them, and checks of rows against them."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import ClassLabel, Dataset, Features, List, Value

from frod_bench.errors import RequestError, listed

Columns = Mapping[str, Any]  # name: "text", "key" (the label's values), a list of one of them, or a mapping


def features_of(columns: Columns, label: str, values: Sequence[Any]) -> Features:
    """Return the columns as a schema; lists have one entry per class, and the label's classes are the values."""
    classes = ClassLabel(names=[str(value) for value in values])

    def feature(kind: Any) -> Any:
        if isinstance(kind, Mapping):
            return {name: feature(inner) for name, inner in kind.items()}
        if isinstance(kind, Sequence) and not isinstance(kind, str):
            return List(feature(kind[0]), length=len(values))
        return {"text": Value("string"), "key": classes}[kind]

    return Features({**feature(columns), label: classes})


def class_ids(rows: Dataset, label: str, values: Sequence[Any], where: str) -> list[int]:
    """Return the class of every row: the index of its label in `values`.

    Raises `RequestError` on an empty split, and naming the first row whose label is not among the values.
    """
    if len(rows) == 0:
        raise RequestError(f"{where} has no rows. Give a split with at least one row.")
    require_columns(rows, [label], where)
    kind, spelled = rows.features[label], [str(value) for value in values]
    if isinstance(kind, ClassLabel):
        if kind.names != spelled:
            raise RequestError(
                f"Column {label} of {where} has the classes {', '.join(kind.names)}; "
                f"accepted, in this order: {', '.join(spelled)}."
            )
        values = range(len(spelled))
    place = {value: number for number, value in enumerate(values)}
    for number, value in enumerate(found := rows[label]):
        if value not in place:
            raise RequestError(
                f"Row {number} of {where} has {label} {value!r}; accepted: {', '.join(map(repr, place))}. "
                "Rows without a known answer cannot be trained on or evaluated."
            )
    return [place[value] for value in found]


def require_columns(rows: Dataset, names: Sequence[str], where: str) -> None:
    """Raise `RequestError` when a column is missing."""
    if missing := [name for name in names if name not in rows.column_names]:
        raise RequestError(f"{where} has no column {', '.join(missing)}; its columns are {listed(rows.column_names)}.")


def check_row(row: Mapping[str, Any], columns: Columns, values: Sequence[Any], origin: str) -> None:
    """Raise `RequestError`, starting with `origin`, when a value of the row is not of the type in `columns`."""
    for name, kind in columns.items():
        _check(row[name], kind, values, f"{origin}: column {name}")


def _check(value: Any, kind: Any, values: Sequence[Any], what: str) -> None:
    if kind == "text":
        if not isinstance(value, str):
            raise RequestError(f"{what} is {value!r}; accepted: a text.")
    elif isinstance(kind, Mapping):
        if not isinstance(value, Mapping) or not kind.keys() <= value.keys():
            raise RequestError(f"{what} is {value!r}; accepted: a record of {' and '.join(kind)}.")
        for name, inner in kind.items():
            _check(value[name], inner, values, f"{what}.{name}")
    elif not isinstance(value, Sequence) or isinstance(value, str) or len(value) != len(values):
        raise RequestError(f"{what} is {value!r}; accepted: a list of {len(values)} entries, one a class.")
    elif kind == ["key"]:
        if list(value) not in (list(values), list(range(len(values)))):
            raise RequestError(f"{what} is {value!r}; accepted, in this order: {', '.join(map(str, values))}.")
    else:
        for number, inner in enumerate(value):
            _check(inner, kind[0], values, f"{what}[{number}]")
