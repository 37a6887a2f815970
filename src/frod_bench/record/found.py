"""The runs below a folder, read and checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory


@dataclass(frozen=True)
class StoredRun:
    """A run found on disk: its directory, its record and its metrics, a line an epoch."""

    path: Path
    record: RunRecord
    metrics: list[dict[str, Any]]


@dataclass
class FoundRuns:
    """The runs below a folder by path, and the directories whose files are broken, each with the reason."""

    runs: list[StoredRun] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)


def find_records(root: str | Path) -> FoundRuns:
    """Read every run at or below the folder `root`. A broken run is returned as such, not raised."""
    found = FoundRuns()
    for file in sorted(Path(root).rglob("record.json")):
        directory = RunDirectory(file.parent)
        try:
            run = StoredRun(directory.path, directory.read_record(), directory.read_metrics())
            directory.verify(run.record)
        except RequestError as error:
            found.broken.append((directory.path, str(error)))
        else:
            found.runs.append(run)
    return found
