"""The evidence for a claim: the paper's tables, packaged weights, our runs, our benchmarks and the released code."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from frod_bench.audit.release import RELEASES, Release
from frod_bench.errors import RequestError
from frod_bench.record import StoredRun, find_records

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Weights = dict[str, "Tensor"]  # name of a target layer: W [m, n], in the model's order


def settings(run: StoredRun) -> dict[str, Any]:
    """Return the settings of a run by dotted key, together with the revision and fingerprint of its data."""
    rows = {f"data.{key}": run.record.data.get(key) for key in ("revision", "fingerprint")}
    return run.record.settings | rows


def best_score(run: StoredRun) -> dict[str, Any]:
    """Return `{value, epoch, metrics}` of the best epoch of a completed run."""
    return _score(run, run.record.best)


def final_score(run: StoredRun) -> dict[str, Any]:
    """Return `{value, epoch, metrics}` of the last epoch of a completed run."""
    return _score(run, run.record.final)


def _score(run: StoredRun, score: dict[str, Any] | None) -> dict[str, Any]:
    if score is None:
        raise RequestError(f"{run.path} has not been evaluated.")
    return score


class MissingEvidence(Exception):
    """A check needs something that is not on this machine; `command` would fetch or produce it."""

    def __init__(self, what: str, command: str):
        super().__init__(what)
        self.what, self.command = what, command


@dataclass(frozen=True)
class Evidence:
    """Where to find everything. `weights` takes the name of a packaged backbone and returns its target layers.

    `run_code` means that the user allows files of the released code to be run.
    """

    paper: Path
    configs: Path
    runs: Sequence[Path]  # folders
    bench: Path
    weights: Callable[[str], Weights]
    code: Path | None = None
    run_code: bool = False
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of `NAME.csv` of the paper's numbers."""
        try:
            with (self.paper / f"{name}.csv").open(newline="", encoding="utf-8") as text:
                return list(csv.DictReader(text))
        except OSError as error:
            raise RequestError(f"{self.paper / name}.csv cannot be read ({error.strerror}).") from error

    def eval_rows(self, task: str) -> int:
        """Return how many rows the reported split of a task has, e.g. of glue/rte."""
        return self._rows(task)[1]

    def train_rows(self, task: str) -> int:
        """Return how many training rows a task has."""
        return self._rows(task)[0]

    def _rows(self, task: str) -> list[int]:
        return list(self._registered(task)["rows"].values())

    def num_classes(self, run: StoredRun) -> int | None:
        """Return how many classes the task of a run has, None where its answers are texts."""
        names = run.record.settings.get("task.label_names") or self._registered(run.record.task).get("label_names")
        return len(names) if isinstance(names, list) else None

    def _registered(self, task: str) -> dict[str, Any]:
        file = self.configs / "task" / f"{task}.yaml"
        return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def cached(self, key: str, compute: Callable[[], T]) -> T:
        """Return `compute()`, computed once per key, for claims that share work."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def completed_runs(self) -> list[StoredRun]:
        """Return the completed runs below the folders of runs, one for each identity."""
        return self.cached("runs", self._read_runs)

    def _read_runs(self) -> list[StoredRun]:
        found = [run for folder in self.runs for run in find_records(folder).runs]
        return list({run.record.identity: run for run in found if run.record.status == "completed"}.values())

    def frod_runs(self) -> list[StoredRun]:
        """Return the completed FRoD runs whose last epoch reports tan alpha."""
        runs = [run for run in self.completed_runs() if run.record.method == "frod" and run.metrics]
        return [run for run in runs if run.metrics[-1].get("tan_alpha")]

    def layers(self, backbone: str) -> Weights:
        """Return the target layers of a packaged backbone. Raises MissingEvidence when its package is not installed."""
        try:
            return self.cached(f"weights of {backbone}", lambda: self.weights(backbone))
        except RequestError as error:
            raise MissingEvidence(str(error), "make setup") from error

    def benchmarks(self, what: str) -> list[dict[str, Any]]:
        """Return the stored results of `frod-bench bench WHAT`, the one with the most rows last."""
        files = sorted(self.bench.glob(f"{what}_*.json"))
        return sorted((json.loads(file.read_text(encoding="utf-8")) for file in files), key=lambda r: len(r["rows"]))

    def release(self, name: str) -> Release:
        """Return a clone of released code. Raises MissingEvidence when `--code` names no folder that holds one."""
        wanted = RELEASES[name]
        path = (self.code or Path("DIR")) / name
        clone = f"git clone {wanted.url} {path}"
        if self.code is None or not path.is_dir():
            raise MissingEvidence(f"This needs the released code ({wanted.url}), which is not here.", clone)
        return Release(path, wanted.commits, wanted.url)
