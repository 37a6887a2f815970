"""Image classification tasks, as in the paper's Table 2."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, config
from huggingface_hub.constants import HF_HUB_CACHE
from PIL.Image import Image as Pillow

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.assembly import assemble
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.checks import check_image_rows, require_entries
from frod_bench.tasks.classes import class_names_note, class_positions, require_same_classes
from frod_bench.tasks.images import decode
from frod_bench.tasks.metrics import Scorer
from frod_bench.tasks.pixels import (
    CENTER_CROPS,
    Collate,
    CroppedPixels,
    DecodedPixels,
    PixelRows,
    Transform,
    cached_pixels,
)
from frod_bench.tasks.provenance import size_note, with_notes
from frod_bench.tasks.row_table import FILE, IMAGE, RowTable
from frod_bench.tasks.row_table import LABEL as FOLDER
from frod_bench.tasks.selection import ROW, numbered, rows_left, subset


@dataclass(frozen=True, kw_only=True)
class ImageTask:
    """One image classification task.

    The first of `eval_splits` and the first of `metrics` are reported. `rows` holds the official size of each split;
    `packaged` is for listings. Images of more than `max_pixels` pixels are refused. `center_crop` is the rounding of
    the transform's centre crop, by default the backbone's. With `random_crop`, training images are cropped at random,
    anew in every epoch. `held_back` = [fraction, most rows] leaves training rows unused, as a recipe that kept them for
    validation did; it is not the hold-out (see `selection`). Rows name files only among `image_files` and in the hub's
    caches. Raises `RequestError` when a list is empty or an option is out of range.
    """

    name: str
    suite: str
    repo: str
    config: str
    image: str
    label: str
    label_names: list[str]
    train_split: str
    eval_splits: list[str]
    metrics: list[str]
    rows: dict[str, int]
    max_pixels: int
    packaged: str | None = None
    center_crop: str | None = None
    random_crop: bool | None = None
    held_back: list[float] | None = None
    image_files: Collection[str] = ()

    def __post_init__(self) -> None:
        require_entries(self, ("label_names", "eval_splits", "metrics"))
        if isinstance(self.max_pixels, bool) or not isinstance(self.max_pixels, int) or self.max_pixels < 1:
            raise RequestError(f"task.max_pixels={self.max_pixels} is not accepted: a whole number above 0.")
        if self.center_crop not in (None, *CENTER_CROPS):
            raise RequestError(
                f"task.center_crop={self.center_crop} is not known. {did_you_mean(str(self.center_crop), CENTER_CROPS)}"
            )
        if self.random_crop not in (None, True, False):
            raise RequestError(f"task.random_crop={self.random_crop} is not accepted: true, false or null.")
        if self.held_back is not None:
            _check_held_back(self.held_back)

    @property
    def schema(self) -> Features:
        """The columns that a source must have."""
        return Features({self.image: Image(), self.label: ClassLabel(names=self.label_names)})

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """See `Task.count`."""
        splits = (self.train_split, self.eval_splits[0])
        return [source.count(self.repo, self.config, split, self.schema) for split in splits]

    def load(self, source: Source, transform: Transform, request: RowRequest) -> TaskData:
        """See `Task.load`. Images are decoded once, into the cache, unless training crops them at random."""
        transform = self._checked(transform, request)
        eval_splits = self.eval_splits if request.evaluation else []
        read = {split: self._read(source, split) for split in (self.train_split, *eval_splits)}
        where = {split: f"{self.repo}/{self.config}/{split}" for split in read}
        classes = {split: self._classes(rows) for split, rows in read.items()}
        require_same_classes({where[split]: names for split, (names, _) in classes.items()})
        names = classes[self.train_split][0]
        rows_of = {split: numbered(rows) for split, rows in read.items()}

        def decode_rows(rows: Dataset, split: str, training: bool) -> PixelRows:
            numbers = rows[ROW]

            def image(row: int, content: bytes) -> Pillow:
                name = encoded.file(row) or f"Row {numbers[row]} of {where[split]}"
                return decode(content, name, self.max_pixels, transform.size)

            encoded, places = EncodedImages(rows, self.image, self.image_files), classes[split][1]
            pixels: Sequence[np.ndarray]
            if training and self.random_crop:
                pixels = CroppedPixels(encoded, lambda row, content: transform.crop(image(row, content)))
            else:
                pixels = cached_pixels(encoded, transform, image)
            return PixelRows(pixels, [places[label] for label in rows[self.label]])

        sizes = {split: len(rows) for split, rows in read.items()}
        return assemble(
            request,
            self.train_split,
            [self._without_held_back(rows_of[self.train_split])],
            {split: [rows_of[split]] for split in eval_splits},
            self.eval_splits[0],
            decode_rows,
            label=self.label,
            num_labels=len(self.label_names),
            label_names=names,
            metric=self.metrics[0],
            collate=Collate(transform),
            measure=Scorer(self.metrics, self.eval_splits[0], len(self.label_names)),
            provenance=with_notes(
                source.provenance(), size_note(sizes, self.rows), class_names_note(names, self.label_names)
            ),
        )

    def classes(self, text: str | None) -> list[str]:
        """See `Task.classes`."""
        return list(self.label_names)

    def encode_new(self, table: RowTable, transform: Transform, request: RowRequest) -> NewRows:
        """See `Task.encode_new`. Images are decoded as they are needed, and not kept."""
        transform = self._checked(transform, request)
        files = table.images(self.image if self.image in table.columns else IMAGE)
        column = self.label if self.label in table.columns else FOLDER
        labels, notes = table.labels(column, range(len(self.label_names)), self.label_names)

        names = files.named()

        def resized(row: int, content: bytes) -> np.ndarray:
            where = f"Row {row} of {table.name}" + (f" ({names[row]})" if names[row] else "")
            return transform.resize(decode(content, where, self.max_pixels, transform.size))

        scorer = Scorer(self.metrics, self.eval_splits[0], len(self.label_names))
        return NewRows(
            PixelRows(DecodedPixels(files, resized), [label or 0 for label in labels]),
            labels,
            {FILE: names},
            self.label_names,
            Collate(transform),
            partial(scorer, self.eval_splits[0]),
            notes=notes,
        )

    def _checked(self, transform: Transform, request: RowRequest) -> Transform:
        """Return the transform with the task's centre crop. Raises RequestError for options and a backbone of texts."""
        for key in ("max_length", "eval_max_length", "text"):
            if (value := getattr(request, key)) is not None:
                key = "format" if key == "text" else key
                raise RequestError(f"text.{key}={value} is not accepted: {self.name} has images. Leave it out.")
        if not hasattr(transform, "resize"):
            raise RequestError(
                f"{self.name} has images, and the backbone reads text. Leave backbone= out, or name another."
            )
        return transform if self.center_crop is None else transform.with_center_crop(self.center_crop)

    def _classes(self, rows: Dataset) -> tuple[list[str], list[int]]:
        """Return the rows' own class names in the order of `label_names`, and the index there of each own class."""
        kind = rows.features[self.label]
        if not isinstance(kind, ClassLabel):
            return self.label_names, list(range(len(self.label_names)))
        places = class_positions(kind.names, self.label_names)
        return [kind.names[places.index(place)] for place in range(len(places))], places

    def _without_held_back(self, rows: Dataset) -> Dataset:
        return subset(rows, rows_left(len(rows), self.held_back), "task.held_back")

    def _read(self, source: Source, split: str) -> Dataset:
        rows = source.read(self.repo, self.config, split, self.schema)
        where = f"{self.repo}/{self.config}/{split}"
        check_image_rows(rows, where, self.image, self.label, self.label_names)
        kept = rows.select_columns([name for name in (self.image, self.label, ROW) if name in rows.column_names])
        return kept.cast_column(self.image, Image(decode=False))


def _check_held_back(value: Any) -> None:
    match value:
        case [float() | int() as share, int() as most] if 0 <= share < 1 and most >= 0:
            return
    raise RequestError(
        f"task.held_back={value} is not accepted: a share from 0 to 1 and a number of rows, [0.1, 5000]."
    )


class EncodedImages(Sequence[bytes]):
    """The image files of the rows as bytes, read anew at every access."""

    def __init__(self, rows: Dataset, column: str, files: Collection[str]):
        self._rows, self._column, self._files = rows.select_columns([column]), column, files

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> bytes:  # type: ignore[override]  # no slices
        image = self._rows[row][self._column]
        if image["bytes"] is not None:
            return image["bytes"]
        if image["path"] not in self._files:
            _require_cached(image["path"] or "")
        try:
            return Path(image["path"]).read_bytes()
        except OSError as error:
            raise RequestError(f"The image file {image['path']} cannot be read ({error.strerror}).") from error

    def file(self, row: int) -> str | None:
        """Return the path of an image that is a file of its own, else None."""
        image = self._rows[row][self._column]
        return image["path"] if image["bytes"] is None else None


def _require_cached(path: str) -> None:
    """Raise RequestError for a path outside the hub's caches, so that rows cannot make us read arbitrary files."""
    caches = (config.HF_DATASETS_CACHE, HF_HUB_CACHE)
    if not any(Path(path).resolve().is_relative_to(Path(cache).resolve()) for cache in caches):
        raise RequestError(
            f"An image of the rows is only the path {path!r}; accepted: the bytes of the image file, in the parquet."
        )
