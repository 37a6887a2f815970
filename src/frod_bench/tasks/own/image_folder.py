"""A folder of images with one folder for each class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, Value

from frod_bench.errors import RequestError
from frod_bench.tasks.own.named_rows import NamedRows
from frod_bench.tasks.own.places import entries
from frod_bench.tasks.row_table import IMAGE, IMAGES, LABEL

_OF_SPLITS = ("train", "training", "valid", "validation", "val", "dev", "test", "testing")


def read_image_folder(folder: Path, option: str, max_bytes: int) -> NamedRows:
    """Return a row for each image, by class and name: the path of the file, and the class's name.

    Raises RequestError for a folder without classes, a class without images, and for what is neither a class nor an
    image; files other than images beside the folders of the classes are left alone.
    """
    classes = [entry for entry in entries(folder) if entry.is_dir()]
    loose = next((entry for entry in entries(folder) if _is_image(entry)), None)
    if loose is not None:
        raise RequestError(f"{loose} is in no class: {option} is a folder with one folder for each class.")
    if not classes:
        raise RequestError(f"{folder} has no folders; accepted: one folder for each class, with its images.")
    if splits := [entry.name for entry in classes if entry.name.casefold() in _OF_SPLITS]:
        raise RequestError(
            f"{folder} holds splits ({', '.join(splits)}), and not classes: type {option}={folder / splits[0]}."
        )
    images = [(str(image), entry.name) for entry in classes for image in _images(entry, max_bytes)]
    paths, labels = zip(*images, strict=True)
    columns: dict[str, Any] = {IMAGE: [{"bytes": None, "path": path} for path in paths], LABEL: list(labels)}
    rows = Dataset.from_dict(columns, features=Features({IMAGE: Image(decode=False), LABEL: Value("string")}))
    return NamedRows(rows, [(str(folder), len(rows))])


def _images(folder: Path, max_bytes: int) -> Iterator[Path]:
    found = entries(folder)
    if not found:
        raise RequestError(f"{folder} is empty: put images of that class there, or remove the folder.")
    for file in found:
        if file.is_dir():
            raise RequestError(f"{file} is a folder in the folder of a class. Put its images into {folder} itself.")
        if not _is_image(file):
            raise RequestError(f"{file} is no image; accepted: {', '.join(IMAGES)}. Remove it from there.")
        if not file.is_file():
            raise RequestError(f"{file} is a link to nothing. Remove it, or put the image there.")
        if (size := file.stat().st_size) > max_bytes:
            raise RequestError(
                f"{file} has {size:,} bytes; accepted: {max_bytes:,}. Shrink it, or raise data.max_row_bytes."
            )
        yield file


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES and not path.is_dir()
