"""The rows of a task of one's own as they are trained and evaluated: read, checked, with their classes, divided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Source
from frod_bench.tasks.own.labels import class_numbers, classes_of
from frod_bench.tasks.own.named_rows import NamedRows
from frod_bench.tasks.own.places import HUB, content_of
from frod_bench.tasks.own.split import NOTE, divide
from frod_bench.tasks.provenance import with_notes
from frod_bench.tasks.selection import numbered
from frod_bench.tasks.sources.own import OWN, OwnSource

TRAIN, EVALUATION, LABEL = "train", "evaluation", "label"
_MOST_NAMED = 10  # files of one place in the record
Places = Mapping[str, Any]  # "train" and "eval": what task.train and task.eval say


@dataclass(frozen=True)
class OwnRows:
    """Rows by split, with the column `LABEL`; the classes; what the record says of them; see `Table` for `files`."""

    rows: Mapping[str, Dataset]
    classes: list[str]
    provenance: dict[str, Any]
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class InHand:
    """A `Source` of rows that were read before."""

    own: OwnRows

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of a split."""
        return self.own.rows[split]

    def count(self, repo: str, config: str, split: str, schema: Features) -> int:
        """Return their number."""
        return len(self.own.rows[split])

    def provenance(self) -> dict[str, Any]:
        """Return what the record says of the rows."""
        return self.own.provenance


@dataclass(frozen=True)
class Table:
    """A table as a task reads it: `inputs` are its rows without labels, `texts` the labels in the column `label`.

    `columns` says for the record which columns the inputs come from. `files` are those that were found in a folder, to
    be read when their rows are.
    """

    named: NamedRows
    inputs: Dataset
    label: str
    texts: list[str]
    columns: dict[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()


def own_rows(
    source: Source,
    places: Places,
    content: Mapping[str, str | None],
    read: Callable[[OwnSource, Any, str], Table],
    evaluation: bool,
) -> OwnRows:
    """Return the rows at two places, or at one that is divided, see `own.split`.

    `read(source, place, option)` reads a table. `content` is what was at the places when the configuration was made.
    Without `evaluation`, a place for evaluation rows is not read. Raises RequestError for rows that have changed since
    then, and for rows that are not accepted.
    """
    if not isinstance(source, OwnSource):
        raise RequestError("A task of your own reads its own files: leave data.source= out.")
    _require_unchanged(places, content)
    if content["train"] == content["eval"]:
        raise RequestError("task.eval holds the same rows as task.train. Leave it out, and a part of them evaluates.")
    table = read(source, places["train"], "task.train")
    tables = [table]
    classes = classes_of(table.named, table.label, table.texts)
    rows, note = {TRAIN: _labelled(table, classes)}, None
    if places["eval"] is None:
        training, taken = divide(table.texts, str(table.named))
        rows = {TRAIN: rows[TRAIN].select(training), EVALUATION: rows[TRAIN].select(taken)}
        note = NOTE
    elif evaluation:
        tables.append(read(source, places["eval"], "task.eval"))
        rows[EVALUATION] = _labelled(tables[-1], classes)
    provenance = {
        "source": OWN,
        **_origin(source, content),
        "files": ", ".join(_short(name) for one in tables for name, _ in one.named.files[:_MOST_NAMED]),
        "columns": {**table.columns, "label": table.label},
        "classes": classes,
    }
    files = frozenset[str]().union(*(one.files for one in tables))
    return OwnRows(rows, classes, with_notes(provenance, note), files)


def _labelled(table: Table, classes: list[str]) -> Dataset:
    numbers = class_numbers(table.named, table.label, table.texts, classes)
    rows = numbered(table.inputs).add_column(LABEL, numbers)
    return rows.cast_column(LABEL, ClassLabel(names=classes))


def _origin(source: OwnSource, content: Mapping[str, str | None]) -> dict[str, str]:
    """Return the fingerprint of files, or what the source says of data sets on the hub."""
    named = [what for what in content.values() if what is not None]
    on_hub = any(what.startswith(HUB) for what in named)
    known = source.provenance() if on_hub else {"fingerprint": " ".join(named)}
    return {key: value for key, value in known.items() if key != "source"}


def _short(name: str) -> str:
    """Return the name of a file without its folder, which says nothing on another machine."""
    return name if name.startswith(HUB) else Path(name).resolve().name


def _require_unchanged(places: Places, content: Mapping[str, str | None]) -> None:
    for key, place in places.items():
        if content.get(key) != content_of(place, f"task.{key}"):
            raise RequestError(
                f"task.{key}={place} is not what it was when this run was made: its content has changed. Put the file"
                " back, or start a run of its own."
            )
