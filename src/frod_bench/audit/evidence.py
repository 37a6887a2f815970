"""What the claims are checked against: the paper's tables, weights, runs, benchmarks and the released code."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from torch import Tensor

from frod_bench.audit.release import RELEASES, Release
from frod_bench.errors import RequestError
from frod_bench.record import StoredRun, find_records

T = TypeVar("T")
Weights = dict[str, Tensor]  # name of a target layer: W [m, n], in the model's order


def settings(run: StoredRun) -> dict[str, Any]:
    """Return the settings of a run, by dotted key, and which rows it was made on."""
    rows = {f"data.{key}": run.record.data.get(key) for key in ("revision", "fingerprint")}
    return run.record.settings | rows


class MissingEvidence(Exception):
    """A check needs what is not on this machine; `command` is what would bring it."""

    def __init__(self, what: str, command: str):
        super().__init__(what)
        self.what, self.command = what, command


@dataclass(frozen=True)
class Evidence:
    """Where everything lies. `weights` returns the target layers of a packaged backbone by the backbone's name.

    `run_code` says that the user agrees to running files of the released code.
    """

    paper: Path
    configs: Path
    runs: Path
    bench: Path
    weights: Callable[[str], Weights]
    code: Path | None = None
    run_code: bool = False
    _known: dict = field(default_factory=dict, repr=False)

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
        return list(
            yaml.safe_load((self.configs / "task" / f"{task}.yaml").read_text(encoding="utf-8"))["rows"].values()
        )

    def cached(self, key: str, compute: Callable[[], T]) -> T:
        """Return what `compute` returned the first time, for claims that share work."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def completed_runs(self) -> list[StoredRun]:
        """Return the completed runs below the folder of runs, each configuration once."""
        return self.cached("runs", self._read_runs)

    def _read_runs(self) -> list[StoredRun]:
        found = find_records(self.runs).runs
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

    def benchmarks(self, what: str) -> list[dict]:
        """Return the stored results of `frod-bench bench WHAT`, those of most rows last."""
        files = sorted(self.bench.glob(f"{what}_*.json"))
        return sorted((json.loads(file.read_text(encoding="utf-8")) for file in files), key=lambda r: len(r["rows"]))

    def release(self, name: str) -> Release:
        """Return a clone of released code. Raises MissingEvidence when `--code` names no folder that holds one."""
        wanted = RELEASES[name]
        path = (self.code or Path("DIR")) / name
        clone = f"git clone {wanted.url} {path}"
        if self.code is None or not path.is_dir():
            raise MissingEvidence(f"It is a matter of the released code ({wanted.url}), which is not here.", clone)
        return Release(path, wanted.commits, wanted.url)
