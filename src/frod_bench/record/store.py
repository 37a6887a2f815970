"""The directory of a run: who may write into it, and files that are either whole or absent."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from frod_bench.errors import RequestError
from frod_bench.record.schema import RunRecord, loads_strict

_HASH_LINE = "# config_hash: "


class RunDirectory:
    """One run's `config.yaml`, `metrics.jsonl`, `losses.jsonl` and `record.json`, beside `checkpoints/` and `adapter/`.

    Every write goes to a temporary file of the same directory, reaches the disk, and then takes the place of
    the old file, so a reader never sees half of one. Only one process may write.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.losses = self.path / "losses.jsonl"
        self.record = self.path / "record.json"
        self.checkpoints = self.path / "checkpoints"
        self.adapter = self.path / "adapter"
        self.landscapes = self.path / "landscapes"

    def claim(self, config_hash: str, config_yaml: str, force: bool = False) -> Literal["new", "resume", "completed"]:
        """Take the directory for the run of this configuration, and write `config.yaml`.

        Returns "completed" when that very run is already there (nothing is written), "resume" when it was
        begun, else "new" with an empty directory. `force` removes what the same run left and returns "new".
        Raises RequestError when the directory cannot be written, holds another configuration, or is not empty
        and no run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_other(config_hash)
            state = "new" if force or not self.record.exists() else self._state()
            if state == "new":
                self._clear()
            if state != "completed":
                _write(self.config, f"{_HASH_LINE}{config_hash}\n{config_yaml}")
        except OSError as error:
            raise RequestError(
                f"The run directory {self.path} cannot be written ({error.strerror}). Give another one with out=DIR."
            ) from error
        return state

    def write_record(self, record: RunRecord) -> None:
        """Write `record.json`. Raises ValueError when the record is not valid or holds NaN or infinity."""
        _write(self.record, record.to_json())

    def read_record(self) -> RunRecord:
        """Read `record.json`. Raises RequestError when it is missing or broken."""
        return RunRecord.from_json(_read(self.record), where=str(self.record))

    def append_metrics(self, line: dict[str, Any]) -> None:
        """Add the line of one epoch, with at least `epoch`. Raises ValueError for NaN or infinity."""
        _write_lines(self.metrics, [*self.read_metrics(), line])

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the lines of `metrics.jsonl`, none without it. Raises RequestError for a broken one."""
        return _read_lines(self.metrics)

    def append_losses(self, epoch: int, losses: list[float]) -> None:
        """Add the training loss of each step of one epoch, to six digits. Raises ValueError for NaN or infinity."""
        line = {"epoch": epoch, "losses": [float(f"{loss:.6g}") for loss in losses]}
        _write_lines(self.losses, [*_read_lines(self.losses), line])

    def read_losses(self) -> list[float]:
        """Return the training loss of every step, [] where some were not kept. Raises RequestError if broken."""
        lines = _read_lines(self.losses)
        complete = [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
        return [loss for line in lines for loss in line["losses"]] if complete else []

    def keep_metrics(self, until_epoch: float) -> None:
        """Drop the metrics and losses of epochs after `until_epoch`, which a resumed run will write again."""
        for file in (self.metrics, self.losses):
            _write_lines(file, [line for line in _read_lines(file) if line["epoch"] <= until_epoch])

    def read_config(self) -> str:
        """Return the text of `config.yaml`. Raises RequestError when it is missing."""
        return _read(self.config)

    def _state(self) -> Literal["resume", "completed"]:
        try:
            return "completed" if self.read_record().status == "completed" else "resume"
        except RequestError as error:
            raise RequestError(f"{error} Start that run afresh with force=true.") from error

    def _refuse_other(self, config_hash: str) -> None:
        advice = "Give another one with out=DIR, or delete it."
        held = self._held_hash()
        # Names with a dot are left by tools (.hydra, a temporary file), not by a person.
        if held is None and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise RequestError(f"The directory {self.path} is not empty and holds no run. {advice}")
        if held not in (None, config_hash):
            raise RequestError(
                f"The directory {self.path} holds a run of another configuration"
                f" (config_hash {held}; this one is {config_hash}). {advice}"
            )

    def _held_hash(self) -> str | None:
        if self.config.exists():
            first = _read(self.config).partition("\n")[0]
            if first.startswith(_HASH_LINE):
                return first.removeprefix(_HASH_LINE)
        return self.read_record().config_hash if self.record.exists() else None

    def _clear(self) -> None:
        for file in (self.record, self.metrics, self.losses):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.adapter, self.landscapes):
            if folder.exists():
                shutil.rmtree(folder)


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
        except RequestError as error:
            found.broken.append((directory.path, str(error)))
        else:
            found.runs.append(run)
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} cannot be read ({error}).") from error


def _read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    lines = []
    for number, text in enumerate(_read(file).splitlines(), start=1):
        try:
            lines.append(loads_strict(text))
            lines[-1]["epoch"]
        except (ValueError, TypeError, KeyError) as error:
            raise RequestError(f"{file} is broken: line {number} is not that of an epoch ({error}).") from error
    return lines


def _write_lines(file: Path, lines: list[dict[str, Any]]) -> None:
    _write(file, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
