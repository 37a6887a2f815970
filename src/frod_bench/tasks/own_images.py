"""Classification of images of one's own: from a folder with one folder per class, parquet or a data set of the hub."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import xxhash
from datasets import Dataset, Image, Value

from frod_bench.errors import RequestError
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.checks import require_entries
from frod_bench.tasks.own.columns import image_column, label_column
from frod_bench.tasks.own.image_folder import read_image_folder
from frod_bench.tasks.own.labels import label_texts
from frod_bench.tasks.own.named_rows import NamedRows
from frod_bench.tasks.own.places import find
from frod_bench.tasks.own.reading import EVALUATION, TRAIN, InHand, OwnRows, Table
from frod_bench.tasks.own.task import OwnTask
from frod_bench.tasks.pixels import Transform
from frod_bench.tasks.row_table import IMAGE, LABEL, RowTable
from frod_bench.tasks.sources.own import OwnSource
from frod_bench.tasks.vision import EncodedImages, ImageTask


@dataclass(frozen=True, kw_only=True)
class OwnImageTask(OwnTask):
    """Images of one's own, with the checks, the decoding and the cache of a vision task.

    `image` names a column of parquet and of the hub, as `label` does; None looks for the one that leaves no doubt. The
    other options are those of `ImageTask`.
    """

    reads: ClassVar[str] = "image"

    choice: str = "own/images"
    max_pixels: int
    image: str | None = None
    center_crop: str | None = None
    random_crop: bool | None = None

    def __post_init__(self) -> None:
        require_entries(self, ("metrics",))
        for key in ("image", "label"):
            if not isinstance(column := getattr(self, key), str | None):
                raise RequestError(f"task.{key}={column} is not accepted: the name of one column.")
        self._task(["", ""], frozenset())  # its checks of the options

    def load(self, source: Source, transform: Transform, request: RowRequest) -> TaskData:
        """See `Task.load` and `ImageTask.load`."""
        own = self._noted(self._rows(source, request.evaluation))
        return self._task(own.classes, own.files).load(InHand(own), transform, request)

    def encode_new(self, table: RowTable, transform: Transform, request: RowRequest) -> NewRows:
        """See `Task.encode_new`; for a task `with_found`. A table has the columns of the run's own rows."""
        columns = self._found("columns")
        names = {columns.get("image", IMAGE): IMAGE, columns["label"]: LABEL}
        table = table.renamed({name: own for name, own in names.items() if name in table.columns})
        return self._task(self.classes(None), frozenset()).encode_new(table, transform, request)

    def _contents(self, own: OwnRows, split: str) -> list[Hashable]:
        return [xxhash.xxh3_128_digest(file) for file in EncodedImages(own.rows[split], IMAGE, own.files)]

    def _task(self, classes: list[str], files: frozenset[str]) -> ImageTask:
        return ImageTask(
            name=self.name,
            suite=self.suite,
            repo=self.name,
            config="rows",
            image=IMAGE,
            label=LABEL,
            label_names=classes,
            train_split=TRAIN,
            eval_splits=[EVALUATION],
            metrics=self.metrics,
            rows={},
            max_pixels=self.max_pixels,
            center_crop=self.center_crop,
            random_crop=self.random_crop,
            image_files=files,
        )

    def _read(self, source: OwnSource, place: Any, option: str) -> Table:
        found = find(place, option)
        if isinstance(found, list) and len(found) == 1 and found[0].is_dir() and not _has_tables(found[0]):
            named = read_image_folder(found[0], option, source.max_row_bytes)
            images = named.rows.select_columns([IMAGE])
            files = frozenset(image["path"] for image in images[IMAGE])
            return Table(named, images, LABEL, label_texts(named, LABEL), files=files)
        named = source.table(place, option)
        label = label_column(named, self.label)
        image = image_column(named, self.image, label)
        source.check_sizes(named, [image, label])
        return Table(named, _images(named, image), label, label_texts(named, label), {"image": image})


def _has_tables(folder: Path) -> bool:
    return any(path.suffix.lower() == ".parquet" for path in folder.iterdir())


def _images(named: NamedRows, column: str) -> Dataset:
    """Return the column of images, as records of bytes and path, under its own name here."""
    rows = named.rows.select_columns([column]).rename_columns({column: IMAGE})
    kind = rows.features[IMAGE]
    encoded = isinstance(kind, Value) and kind.dtype in ("binary", "large_binary")
    return rows.cast_column(IMAGE, Image(decode=False)) if encoded or isinstance(kind, Image) else rows
