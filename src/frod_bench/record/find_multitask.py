"""Find the records of merges and of sequences of tasks below a folder."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from frod_bench.errors import RequestError
from frod_bench.record.continual_record import ContinualRecord, read_continual
from frod_bench.record.merge_record import FILE, MergeRecord, read_merge
from frod_bench.record.places import CONTINUAL

T = TypeVar("T")


class StoredMerge(NamedTuple):
    """The record of a merge with its folder, which has the predictions."""

    folder: Path
    record: MergeRecord


class FoundMultitask(NamedTuple):
    """The records in order of path, and why others cannot be read."""

    merges: list[StoredMerge]
    sequences: list[ContinualRecord]
    broken: list[str]


def find_multitask(folders: Iterable[Path]) -> FoundMultitask:
    """Read every such record in or below the folders, each file once; a broken one is returned in `broken`."""
    roots = list(folders)
    broken: list[str] = []
    merges = _read(_files(roots, FILE), lambda file: StoredMerge(file.parent, read_merge(file)), broken)
    sequences = _read(_files(roots, f"{CONTINUAL}/*/*.json"), read_continual, broken)
    return FoundMultitask(merges, sequences, broken)


def _files(roots: list[Path], pattern: str) -> list[Path]:
    return sorted({file.resolve() for root in roots for file in root.rglob(pattern)})


def _read(files: list[Path], read: Callable[[Path], T], broken: list[str]) -> list[T]:
    def whole() -> Iterator[T]:
        for file in files:
            try:
                yield read(file)
            except RequestError as error:
                broken.append(str(error))

    return list(whole())
