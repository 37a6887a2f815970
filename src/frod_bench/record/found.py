"""The runs below a folder, read and checked."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory


@dataclass(frozen=True)
class StoredRun:
    """A run found on disk: its directory, its record and its metrics, a line an epoch, read anew each time."""

    path: Path
    record: RunRecord
    metrics: Sequence[dict[str, Any]]


@dataclass
class FoundRuns:
    """The runs below a folder by path, and the directories whose files are broken, each with the reason."""

    runs: list[StoredRun] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)


def find_records(root: str | Path) -> FoundRuns:
    """Read every run at or below the folder `root`. A broken run is returned as such, not raised."""
    found = FoundRuns()
    for path in sorted(_folders_of_runs(Path(root))):
        directory = RunDirectory(path)
        try:
            record = directory.read_record()
            directory.verify(record)
            found.runs.append(StoredRun(path, record, directory.stream_metrics()))
        except RequestError as error:
            found.broken.append((path, str(error)))
    return found


def _folders_of_runs(root: Path) -> Iterator[Path]:
    """Yield the folders that hold a `record.json`, links to folders not followed, however deep they lie."""
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # not for us to read, or gone by now
            continue
        todo += [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        if any(entry.name == "record.json" for entry in entries):
            yield folder
