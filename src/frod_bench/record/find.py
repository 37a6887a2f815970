"""The runs below a folder, in directories of their own or in archives, read and checked."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.archive import SUFFIX, ArchivedRun, archived_runs
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory


@dataclass(frozen=True)
class StoredRun:
    """A run found on disk: its place, its record and its metrics, a line an epoch, read anew each time."""

    path: Path
    record: RunRecord
    metrics: Sequence[dict[str, Any]]
    files: RunDirectory | ArchivedRun

    def losses(self) -> list[float]:
        """Return the training loss of every step, none where it was not kept. Raises RequestError for a broken one."""
        return self.files.read_losses()


@dataclass
class FoundRuns:
    """The runs below a folder by path, and the places whose files are broken, each with the reason."""

    runs: list[StoredRun] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)


def find_records(root: str | Path) -> FoundRuns:
    """Read every run at or below the folder `root`. A broken run is returned as such, not raised."""
    found = FoundRuns()
    for place in sorted(_places_of_runs(Path(root))):
        try:
            if place.name.endswith(SUFFIX):
                _read_archive(place, found)
            else:
                _read_directory(place, found)
        except RequestError as error:
            found.broken.append((place, str(error)))
    return found


def _read_directory(path: Path, found: FoundRuns) -> None:
    directory = RunDirectory(path)
    record = directory.read_record()
    directory.verify(record)
    found.runs.append(StoredRun(path, record, directory.stream_metrics(), directory))


def _read_archive(archive: Path, found: FoundRuns) -> None:
    for run, record in archived_runs(archive):
        if isinstance(record, RequestError):
            found.broken.append((run.path, str(record)))
        else:
            found.runs.append(StoredRun(run.path, record, run.stream_metrics(), run))


def _places_of_runs(root: Path) -> Iterator[Path]:
    """Yield the folders that hold a `record.json` and the archives, links to folders not followed, at any depth."""
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # not for us to read, or gone by now
            continue
        todo += [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (folder / entry.name for entry in entries if entry.name.endswith(SUFFIX))
        if any(entry.name == "record.json" for entry in entries):
            yield folder
