"""Rows that a user brings for prediction: a table file, or images. Needs no torch, so that a refusal is quick."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError, did_you_mean, listed
from frod_bench.reading import opened

IMAGES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
FILE, IMAGE, LABEL = "file", "image", "label"  # the columns of a folder of images


@dataclass(frozen=True)
class RowTable:
    """Columns by name, all of one length. `name` is for messages; `class_names` holds what whole numbers stand for.

    `in_file` holds the names that renamed columns have in the file, for messages too.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    class_names: Mapping[str, list[str]] = field(default_factory=dict)
    folder: Path = Path()  # that of paths in a column
    in_file: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def require(self, names: Sequence[str]) -> None:
        """Raise RequestError when a column is missing."""
        if missing := [name for name in names if name not in self.columns]:
            raise RequestError(
                f"{self.name} has no column {', '.join(missing)}; its columns are {listed(self.columns) or 'none'}."
                " Name those that hold the task's texts with --text COL [COL], or its images with --image COL."
            )

    def renamed(self, names: Mapping[str, str]) -> "RowTable":
        """Return the table with columns under new names, `{old: new}`. Raises RequestError for a missing one."""
        self.require(list(names))
        kept = {name: values for name, values in self.columns.items() if name not in names.values() or name in names}
        moved = {names.get(name, name): values for name, values in kept.items()}
        classes = {names.get(name, name): words for name, words in self.class_names.items()}
        in_file = {new: self.in_file.get(old, old) for old, new in names.items()}
        return RowTable(self.name, moved, classes, self.folder, dict(self.in_file) | in_file)

    def texts(self, name: str) -> list[str]:
        """Return a column of texts. Raises RequestError, naming the first row that is none."""
        self.require([name])
        for row, value in enumerate(self.columns[name]):
            if not isinstance(value, str):
                has = "no text" if value is None else f"{value!r:.80}"
                column = self.in_file.get(name, name)
                raise RequestError(f"Row {row} of {self.name} has {has} in column {column}; accepted: a text.")
        return list(self.columns[name])

    def images(self, name: str) -> "ImageFiles":
        """Return a column of images, each read when it is accessed."""
        self.require([name])
        return ImageFiles(self.columns[name], self.folder, f"{self.name}, column {self.in_file.get(name, name)}")

    def labels(self, name: str, values: Sequence[Any], names: Sequence[str]) -> tuple[list[int | None], list[str]]:
        """Return the classes of `class_ids`, or none of them and a note why when the column holds other words."""
        try:
            return self.class_ids(name, values, names), []
        except RequestError as error:
            return [None] * len(self), [f"No score: {error}"]

    def class_ids(self, name: str, values: Sequence[Any], names: Sequence[str]) -> list[int | None]:
        """Return the class of every row, None where there is none: no such column, no value, or -1.

        A label is one of `values`, by itself or as text, or one of the `names` of the classes in any case. Raises
        RequestError, naming the first row with another one.
        """
        if name not in self.columns:
            return [None] * len(self)
        known: dict[Any, int] = {_plain(text): number for number, text in enumerate(names)}
        known |= {str(value): number for number, value in enumerate(values)}
        known |= {value: number for number, value in enumerate(values)}
        words = self.class_names.get(name)
        found: list[int | None] = []
        for row, value in enumerate(self.columns[name]):
            if value is None or value == "" or value == -1 or value == "-1":
                found.append(None)
                continue
            spelled = [words[value]] if words and isinstance(value, int) and 0 <= value < len(words) else [value]
            spelled += [value] if words and len(words) == len(names) else []  # the same classes in other words
            place = next((known[key] for text in spelled for key in _keys(text) if key in known), None)
            if place is None:
                raise RequestError(
                    f"Row {row} of {self.name} has {self.in_file.get(name, name)} {value!r:.80}; the classes are"
                    f" {listed(names)}."
                )
            found.append(place)
        return found


class ImageFiles(Sequence[bytes]):
    """Image files as bytes: of the bytes themselves, of the hub's records, or of paths."""

    def __init__(self, values: Sequence[Any], folder: Path, where: str) -> None:
        self._values, self._folder, self._where = values, folder, where

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: int) -> bytes:  # type: ignore[override]  # no slices
        value = self._values[row]
        if isinstance(value, Mapping):
            value = value.get("bytes")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str | Path):
            raise RequestError(f"Row {row} of {self._where} holds no image file ({value!r:.80}).")
        with opened(self._folder / value, links=True) as stream:
            return stream.read()

    def named(self) -> list[str]:
        """Return the file name of every image, "" where there is none."""
        paths = [value.get("path") if isinstance(value, Mapping) else value for value in self._values]
        return [str(path) if isinstance(path, str | Path) else "" for path in paths]


def read_row_table(place: Path) -> RowTable:
    """Read a table file, one image, or every image below a folder.

    The images of a folder have the column `file`, and `label` if each lies in a folder of its class. Raises
    RequestError for what cannot be read.
    """
    if place.is_dir():
        return _image_folder(place)
    if not place.exists():
        raise RequestError(f"There is no file or folder {place}. {_ACCEPTED}")
    suffix = place.suffix.lower()
    if suffix in IMAGES:
        return RowTable(place.name, {IMAGE: [place.name], FILE: [place.name]}, folder=place.parent)
    if suffix not in TABLES:
        raise RequestError(f"{place} is of no known kind. {_ACCEPTED} {did_you_mean(suffix, TABLES)}")
    with opened(place, links=True) as stream:
        content = stream.read()
    try:
        table = _parquet(place, content) if suffix == ".parquet" else _from_text(place, content)
    except RequestError:
        raise
    except Exception as error:  # pyarrow, csv and json raise many types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{place} cannot be read as {suffix[1:]}: {reason:.200}") from error
    if not len(table):
        raise RequestError(f"{place} has no rows.")
    return table


_ACCEPTED = "Accepted: parquet, CSV, TSV, JSON lines, a folder of images, or one image."


def from_records(records: Sequence[Mapping[str, Any]], name: str = "the rows", folder: Path = Path()) -> RowTable:
    """Return a table of mappings; a column that a row lacks is None there."""
    keys = dict.fromkeys(key for record in records for key in record)
    return RowTable(name, {key: [record.get(key) for record in records] for key in keys}, folder=folder)


def _image_folder(folder: Path) -> RowTable:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES and file.is_file())
    if not files:
        raise RequestError(f"{folder} holds no images ({', '.join(IMAGES)}).")
    inside = [file.relative_to(folder) for file in files]
    names = [path.as_posix() for path in inside]
    columns: dict[str, Sequence[Any]] = {IMAGE: names, FILE: names}
    if all(len(path.parts) > 1 for path in inside):
        columns[LABEL] = [path.parts[-2] for path in inside]
    return RowTable(str(folder), columns, folder=folder)


def _from_text(place: Path, content: bytes) -> RowTable:
    from frod_bench.tasks.text_tables import read_text_table  # pyarrow takes a while

    return RowTable(place.name, read_text_table(place, content).to_pydict(), folder=place.parent)


def _parquet(place: Path, content: bytes) -> RowTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    table.validate(full=True)
    return RowTable(
        place.name,
        {name: table[name].to_pylist() for name in table.column_names},
        dict(_class_labels((table.schema.metadata or {}).get(b"huggingface"))),
        place.parent,
    )


def _class_labels(metadata: bytes | None) -> Iterator[tuple[str, list[str]]]:
    """Yield the columns that the hub's metadata of a parquet file calls a ClassLabel, with their names."""
    features = json.loads(metadata)["info"]["features"] if metadata else {}
    for name, feature in features.items():
        if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel":
            yield name, feature["names"]


def _keys(value: Any) -> Iterator[Any]:
    if isinstance(value, str | int | float):
        yield value
        yield str(value)
    if isinstance(value, str) and any(map(str.isalpha, value)):  # "-2" is not class 2
        yield _plain(value)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
