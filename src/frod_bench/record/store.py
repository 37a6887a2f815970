"""The directory of a run: only its owner may write there, and every file is written atomically."""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from frod_bench.console import say
from frod_bench.errors import RequestError
from frod_bench.files import refuse_link, save_text
from frod_bench.reading import LINES, file_digest, read_text
from frod_bench.record.lines import JsonLines, all_losses, file_lines
from frod_bench.record.lock import DirectoryLock
from frod_bench.record.predictions import RowPredictions, read_predictions
from frod_bench.record.run_log import RunLog
from frod_bench.record.schema import LOSSES, METRICS, RunRecord, brief

_IDENTITY_LINE = "# identity: "
_ADAPTER = "adapter/"
_FORCED = "\nforce: true\n"  # in the config.yaml of a run that was started or resumed with force=true


class RunDirectory:
    """One run's `config.yaml`, `metrics.jsonl`, `losses.jsonl`, `predictions.parquet`, `record.json`, `log.txt`,
    `README.md` and folders.

    Every write goes to a temporary file in the same directory, is synced to disk and then replaces the old file, so
    readers never see a partial file. Only the process that claimed the directory may write. The directory may be a
    link, but nothing in it may: through a link, writes and deletions would reach files outside.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.losses = self.path / "losses.jsonl"
        self.predictions = self.path / "predictions.parquet"
        self.record = self.path / "record.json"
        self.checkpoints = self.path / "checkpoints"
        self.adapter = self.path / "adapter"
        self.landscapes = self.path / "landscapes"
        self.readme = self.path / "README.md"
        self.log = RunLog(self.path / "log.txt")
        self._lock = DirectoryLock(self.path)

    def claim(self, identity: str, config_yaml: str, force: bool = False) -> Literal["new", "resume", "completed"]:
        """Claim the directory for the run of this configuration until `release`, and write `config.yaml`.

        Returns "completed" when this run is already complete (and writes nothing), "resume" when it was started or its
        record is damaged (the record is then set aside), else "new" with an empty directory. With `force`, returns
        "new" unless a forced run was interrupted here, and keeps the files of the earlier run until `begin`.

        Raises RequestError when another process uses the directory, when it cannot be written, when it holds a link or
        the run of another configuration, and when it is not empty but holds no run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_links()
            self._lock.acquire()
            self._refuse_other(identity)
            self._sweep()
            if force and self.record.exists() and not self._is_begun_by_force():
                return "new"
            state = self._state() if self.record.exists() else "new"
            if state == "new":
                self._clear()
            if state != "completed":
                self._write_config(identity, config_yaml)
            if state == "resume":
                self.log.start()
        except OSError as error:
            named = self.path if error.filename is None else error.filename
            raise RequestError(
                f"The run directory {self.path} cannot be used: {named} cannot be written ({error.strerror}). Give"
                " another one with out=DIR."
            ) from error
        return state

    def begin(self, identity: str, config_yaml: str) -> None:
        """Remove the files of the earlier run and start the log, once it is known that the new one can start."""
        self._clear()
        self._write_config(identity, config_yaml)
        self.log.start()

    def release(self) -> None:
        """Release the directory for other processes."""
        self._lock.release()

    def require_owned(self) -> None:
        """Raise RunFailure when the claimed directory was removed or replaced, and OSError when it holds a link."""
        self._lock.require()
        self._refuse_links()

    def write_record(self, record: RunRecord) -> None:
        """Write `record.json`. Raises ValueError when the record is not valid or holds NaN or infinity."""
        save_text(self.record, record.to_json())

    def digests(self) -> dict[str, str]:
        """Return the digests ("sha256:…") of the run's files but the record, and of all in `adapter/`, by path."""
        return self._own_digests() | self.adapter_digests()

    def adapter_digests(self) -> dict[str, str]:
        """Return the digests ("sha256:…") of all files in `adapter/`, by path."""
        return self._digests(sorted(self.adapter.rglob("*")))

    def read_record(self) -> RunRecord:
        """Read `record.json`. Raises RequestError when it is missing or broken."""
        return RunRecord.from_json(read_text(self.record), where=str(self.record))

    def completed(self) -> RunRecord | None:
        """Return the record if the run is complete, else None. Raises RequestError for a damaged file."""
        record = self.read_record()
        if record.status != "completed":
            return None
        self.verify(record, adapter=True)
        return record

    def is_completed(self) -> bool:
        """Return whether the record can be read and says that the run is complete."""
        with contextlib.suppress(RequestError):
            return self.read_record().status == "completed"
        return False

    def write_metrics(self, lines: list[dict[str, Any]]) -> None:
        """Write the metrics of all epochs, each line with at least `epoch`. Raises ValueError for NaN or infinity."""
        _write_lines(self.metrics, lines)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the lines of `metrics.jsonl`, [] if there is none. Raises RequestError for a broken line."""
        return list(self.stream_metrics())

    def stream_metrics(self) -> JsonLines:
        """Return the same lines as `read_metrics` in the memory of one line."""
        return file_lines(self.metrics, METRICS)

    def brief_metrics(self) -> JsonLines:
        """Return what reports read of these lines; that of a small file stays in memory."""
        return file_lines(self.metrics, METRICS, brief)

    def write_losses(self, epochs: list[list[float]]) -> None:
        """Write the training losses to six digits, a list per epoch. Raises ValueError for NaN or infinity."""
        rounded = ([float(f"{loss:.6g}") for loss in losses] for losses in epochs)
        _write_lines(self.losses, [{"epoch": n, "losses": losses} for n, losses in enumerate(rounded, start=1)])

    def read_losses(self) -> list[float]:
        """Return the loss of every step, [] without `losses.jsonl`. Raises RequestError for a broken line."""
        return all_losses(str(self.losses), file_lines(self.losses, LOSSES))

    def read_predictions(self, epoch: int, split: str) -> RowPredictions:
        """Return the predictions of one split at one epoch. Raises RequestError when they cannot be read."""
        return read_predictions(self.predictions, epoch, split)

    def read_config(self) -> str:
        """Return the text of `config.yaml`. Raises RequestError when it is missing."""
        return read_text(self.config)

    def _state(self) -> Literal["resume", "completed"]:
        try:
            return "resume" if self.completed() is None else "completed"
        except RequestError as error:
            aside = self.record.with_name(f".{self.record.name}.damaged")
            self.record.replace(aside)
            after = "resumes from a checkpoint" if self.checkpoints.exists() else "starts again from the beginning"
            say(f"frod-bench: {error} The record is set aside as {aside.name}, and the run {after}.", sys.stderr)
            return "resume"

    def verify(self, record: RunRecord, adapter: bool = False) -> None:
        """Raise RequestError when the run's files, with `adapter` also those, do not have the digests in the record.

        A missing `adapter` folder counts as deleted on purpose, not as damage.
        """
        adapter = adapter and self.adapter.exists()
        there = self.digests() if adapter else self._own_digests()
        for name, digest in record.files.items():
            if there.get(name) != digest and (adapter or not name.startswith(_ADAPTER)):
                how = "was edited or damaged, it is not the file" if name in there else "is not there, the file"
                raise RequestError(f"{self.path / name} {how} that {self.record.name} names.")
        if record.status == "completed" and (
            other := sorted(name for name in there.keys() - record.files.keys() if name.startswith(_ADAPTER))
        ):
            raise RequestError(f"{self.path / other[0]} is no file of this run, {self.record.name} does not name it.")

    def _is_begun_by_force(self) -> bool:
        """Return whether a forced run was interrupted here: requeueing its command must resume it, not start over."""
        return self.config.exists() and _FORCED in self.read_config() and not self.is_completed()

    def _refuse_links(self) -> None:
        """Raise OSError when a file or folder that may be written or deleted here is a link."""
        for folder in (self.path, self.checkpoints, self.adapter, self.landscapes):
            for entry in folder.iterdir() if folder.is_dir() else ():
                refuse_link(entry)

    def _refuse_other(self, identity: str) -> None:
        advice = "Give another one with out=DIR, or delete it."
        held = self._held_identity()
        # Names with a dot come from tools (.hydra, temporary files), not from a person.
        if held is None and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise RequestError(f"The directory {self.path} is not empty and holds no run. {advice}")
        if held not in (None, identity):
            raise RequestError(
                f"The directory {self.path} holds a run of another configuration"
                f" (identity {held}; this one is {identity}). {advice}"
            )

    def _held_identity(self) -> str | None:
        if self.config.exists():
            first = read_text(self.config).partition("\n")[0]
            if first.startswith(_IDENTITY_LINE):
                return first.removeprefix(_IDENTITY_LINE)
        return self.read_record().identity if self.record.exists() else None

    def _own_digests(self) -> dict[str, str]:
        return self._digests([self.config, self.metrics, self.losses, self.predictions], LINES)

    def _digests(self, files: Iterable[Path], limit: int | None = None) -> dict[str, str]:
        # names with a dot come from tools
        kept = (file for file in files if file.is_file() and not file.name.startswith("."))
        return {file.relative_to(self.path).as_posix(): file_digest(file, limit) for file in kept}

    def _sweep(self) -> None:
        """Remove partial files of a killed process."""
        for pattern in (".*.tmp", "adapter/*.tmp", "checkpoints/*.tmp", "landscapes/*.tmp"):
            for file in self.path.glob(pattern):
                file.unlink()

    def _write_config(self, identity: str, config_yaml: str) -> None:
        save_text(self.config, f"{_IDENTITY_LINE}{identity}\n{config_yaml}")

    def _clear(self) -> None:
        for file in (self.record, self.metrics, self.losses, self.predictions, self.log.file, self.readme):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.adapter, self.landscapes):
            if folder.exists():
                shutil.rmtree(folder)


def _write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    save_text(file, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
