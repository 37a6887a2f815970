"""Find, read and check all runs below a folder, in their own directories or in archives."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.archive import SUFFIX, ArchivedRun, archived_runs
from frod_bench.record.predictions import RowPredictions, digest_of
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory


@dataclass(frozen=True)
class StoredRun:
    """A run found on disk: its path, its record and what reports read of its metrics, a line per epoch."""

    path: Path
    record: RunRecord
    metrics: Sequence[dict[str, Any]]
    files: RunDirectory | ArchivedRun

    def metrics_by_layer(self) -> Sequence[dict[str, Any]]:
        """Return the whole metrics, read anew at every access. Raises RequestError for a broken line."""
        return self.files.stream_metrics()

    def losses(self) -> list[float]:
        """Return the training loss of every step, [] if it was not kept. Raises RequestError for a broken line."""
        return self.files.read_losses()

    def predictions(self, split: str | None = None) -> RowPredictions | None:
        """Return the predictions of the selected epoch on the reported split, or on another such as "holdout".

        None for an older run, and for a split that this run was not evaluated on. Raises RequestError for a broken
        file, or one that does not fit the record.
        """
        digests, selected = self.record.predictions, self.record.selected
        split = split or next(iter(digests), None)
        if split not in digests or selected is None:
            return None
        found = self.files.read_predictions(selected["epoch"], split)
        if digest_of(found) != digests[split]:
            raise RequestError(f"{self.path}: the predictions on {split} are not those that the record names.")
        return found


@dataclass
class FoundRuns:
    """The runs below a folder in order of path, the trials of searches, and why other runs are broken, by path."""

    runs: list[StoredRun] = field(default_factory=list)
    trials: list[StoredRun] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)

    def add(self, run: StoredRun) -> None:
        """Add a run or a trial."""
        (self.trials if run.record.is_trial else self.runs).append(run)


def find_records(root: str | Path) -> FoundRuns:
    """Read every run in or below the folder `root`. A broken run is returned in `broken`, not raised."""
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
    found.add(StoredRun(path, record, directory.brief_metrics(), directory))


def _read_archive(archive: Path, found: FoundRuns) -> None:
    for run, record in archived_runs(archive):
        if isinstance(record, RequestError):
            found.broken.append((run.path, str(record)))
        else:
            found.add(StoredRun(run.path, record, run.brief_metrics(), run))


def _places_of_runs(root: Path) -> Iterator[Path]:
    """Yield the folders that hold a `record.json`, and archives, at any depth; does not follow links to folders."""
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # no permission, or gone by now
            continue
        todo += [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (folder / entry.name for entry in entries if entry.name.endswith(SUFFIX))
        if any(entry.name == "record.json" for entry in entries):
            yield folder
