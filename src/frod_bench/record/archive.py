"""Archives: many complete runs in one file, one line per run with the text of its files, without adapters.

`scripts/archive_runs.py` writes archives, and reports read them like directories of runs.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_lines
from frod_bench.record.json_types import type_problem
from frod_bench.record.lines import Brief, JsonLines, all_losses
from frod_bench.record.predictions import RowPredictions, unpacked
from frod_bench.record.schema import LOSSES, METRICS, RunRecord, brief

SUFFIX = ".runs.jsonl"
RECORD, CONFIG, METRICS_FILE, LOSSES_FILE = "record.json", "config.yaml", "metrics.jsonl", "losses.jsonl"
PREDICTIONS = "predictions.json"  # {split: packed predictions}: the selected epoch's, without scores and texts
_NOT_KEPT = ("predictions.parquet",)
_LINE = {"run": str, "files": {RECORD: str, CONFIG: str, str: str}}


class ArchivedRun:
    """One line of an archive. Its files are read anew at every access, so that they take no memory.

    While `archived_runs` is at this run, it has them.
    """

    def __init__(self, archive: Path, start: int, name: str) -> None:
        self._archive, self._start, self.name = archive, start, name
        self._held: dict[str, str] | None = None
        self.path = archive / name

    def names(self) -> list[str]:
        """Return the names of the run's files."""
        return list(self._files())

    def text(self, name: str) -> str:
        """Return the text of one of the run's files, "" if it has none. Raises RequestError for a broken archive."""
        return self._files().get(name, "")

    def read_config(self) -> str:
        """Return the text of the run's `config.yaml`."""
        return self.text(CONFIG)

    def read_losses(self) -> list[float]:
        """Return the training loss of every step. Raises RequestError for a broken line."""
        return all_losses(f"{self.path / LOSSES_FILE}", self._lines(LOSSES_FILE, LOSSES))

    def read_predictions(self, epoch: int, split: str) -> RowPredictions:
        """Return the predictions of one split at the selected epoch, the only one that an archive keeps.

        Raises RequestError when they cannot be read.
        """
        try:
            return unpacked(parse_json(self.text(PREDICTIONS))[split])
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError(f"{self.path / PREDICTIONS} is broken ({error!s:.200}).") from error

    def stream_metrics(self) -> JsonLines:
        """Return the metrics of all epochs. Raises RequestError for a broken line."""
        return self._lines(METRICS_FILE, METRICS)

    def brief_metrics(self) -> JsonLines:
        """Return what reports read of these lines; that of a small file stays in memory."""
        return self._lines(METRICS_FILE, METRICS, brief)

    def _files(self) -> dict[str, str]:
        if self._held is not None:
            return self._held
        return _parsed(self._archive, next(read_lines(self._archive, self._start)))["files"]

    def _lines(self, name: str, kind: Mapping, brief: Brief | None = None) -> JsonLines:
        def read(start: int) -> Iterator[bytes]:
            yield from self.text(name).encode()[start:].splitlines(keepends=True)

        return JsonLines(f"{self.path / name}", kind, read, brief)


def archived_runs(archive: Path) -> Iterator[tuple[ArchivedRun, RunRecord | RequestError]]:
    """Yield the runs of an archive, each with its checked record or with the error that it raised.

    Raises RequestError for a line that does not hold a run.
    """
    start = 0
    for line in read_lines(archive):
        content = _parsed(archive, line)
        run = ArchivedRun(archive, start, content["run"])
        run._held = content["files"]
        start += len(line)
        yield run, _checked_record(run, content["files"])
        run._held = None


def _checked_record(run: ArchivedRun, files: Mapping[str, str]) -> RunRecord | RequestError:
    try:
        record = RunRecord.from_json(files[RECORD], where=f"{run.path / RECORD}")
        _verify(run, record, files)
    except RequestError as error:
        return error
    return record


def archive_line(name: str, files: Mapping[str, str]) -> str:
    """Return the line of a run; `files` holds the texts of its files by name."""
    return json.dumps({"run": name, "files": dict(files)}, ensure_ascii=False) + "\n"


def _verify(run: ArchivedRun, record: RunRecord, files: Mapping[str, str]) -> None:
    """Raise RequestError when a file does not have the digest in the record; archives hold no adapters.

    Predictions have digests of their own in the record, which `StoredRun.predictions` checks.
    """
    for name, digest in record.files.items():
        if (
            "/" not in name
            and name not in _NOT_KEPT
            and f"sha256:{hashlib.sha256(files.get(name, '').encode()).hexdigest()}" != digest
        ):
            raise RequestError(f"{run.path / name} was edited or damaged, it is not the file that {RECORD} names.")


def _parsed(archive: Path, line: bytes) -> dict:
    try:
        content = parse_json(line.decode("utf-8"))
        problem = type_problem(content, _LINE, "it")
    except ValueError as error:
        problem = str(error)
    if problem:
        raise RequestError(f"{archive} is broken: a line is not that of a run ({problem:.300}).")
    return content
