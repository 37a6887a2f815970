"""Which columns of one's own rows hold texts, images and labels: those typed, or those whose names leave no doubt."""

from collections.abc import Sequence
from typing import Any

from datasets import Image, Value

from frod_bench.errors import RequestError, listed, offer_close
from frod_bench.tasks.own.named_rows import NamedRows

_LABELS = ("label", "labels", "class", "category", "target")
_TEXTS = ("text", "sentence", "review", "content", "comment", "message")
_PAIRS = (("sentence1", "sentence2"), ("text1", "text2"), ("premise", "hypothesis"), ("question1", "question2"))


def require_columns(named: NamedRows, columns: Sequence[str], option: str) -> None:
    """Raise RequestError, with the columns there are, for one that is missing."""
    there = named.rows.column_names
    for column in columns:
        if column not in there:
            raise RequestError(
                f"{option} names {column}, and {named} has no such column; its columns are {listed(there)}."
                f" {offer_close(column, there)}".rstrip()
            )


def label_column(named: NamedRows, typed: str | None) -> str:
    """Return the column of labels. Raises RequestError where none is typed and the names leave a choice."""
    if typed is not None:
        require_columns(named, [typed], "task.label")
        return typed
    return _only(named, [name for name in named.rows.column_names if name.casefold() in _LABELS], "label", "COLUMN")


def text_columns(named: NamedRows, typed: Sequence[str] | None, label: str) -> list[str]:
    """Return the one or two columns of text; see `label_column`."""
    if typed is not None:
        require_columns(named, typed, "task.text")
        return list(typed)
    names = [name for name in named.rows.column_names if name != label]
    known = [name for name in names if name.casefold() in _TEXTS]
    pairs = [pair for pair in _PAIRS if set(pair) <= set(names)]
    if len(pairs) == 1 and not known:
        return list(pairs[0])
    return [_only(named, known or [name for name in names if len(names) == 1], "text", "[COLUMN]")]


def image_column(named: NamedRows, typed: str | None, label: str) -> str:
    """Return the column of images; see `label_column`."""
    if typed is not None:
        require_columns(named, [typed], "task.image")
        return typed
    features = named.rows.features
    found = [name for name in features if name != label and _may_be_image(features[name])]
    if not found:
        raise RequestError(
            f"No column of {named} holds images; its columns are {listed(features)}. Accepted: parquet with the bytes"
            " of image files, or a folder with one folder for each class."
        )
    return _only(named, found, "image", "COLUMN")


def _only(named: NamedRows, candidates: Sequence[str], key: str, form: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    several = f"{' and '.join(candidates)} may be meant" if candidates else "no name tells"
    raise RequestError(
        f"Which column of {named} holds the {key}? {several.capitalize()}: type task.{key}={form}. Its columns are"
        f" {listed(named.rows.column_names)}."
    )


def _may_be_image(kind: Any) -> bool:
    binary = isinstance(kind, Value) and kind.dtype in ("binary", "large_binary")
    return binary or isinstance(kind, Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})
