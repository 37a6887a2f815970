"""`merge.json`: what a merged model scores on each of its tasks, beside the run that was trained on that task alone."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.json_types import first_problem
from frod_bench.record.sealed import seal, unseal

FILE = "merge.json"
PREDICTIONS = "predictions.parquet"
EPOCH = 1  # of the predictions: a merge has no epochs
_SCHEMA = 1
_RESULT = {
    "task": str,
    "method": str,
    "seed": int,
    "identity": str,
    "digest": str,
    "metric": str,
    "single": float,
    "merged": float,
    "share": float | None,
    "holdout?": {str: float},
    "draws?": list,
    "split?": str,
}
_KINDS = {
    "how": str,
    "scale": float,
    "density": float | None,
    "seed": int | None,
    "setting": {str: str},
    "results": list,
    "label?": str,
    "schema": int,
}


@dataclass(kw_only=True)
class MergeRecord:
    """One merge. `results` has an entry per run, in the order of the command; `setting` is that of the runs.

    `single` is the reported score of the run, `merged` that of the merged model with the run's head on the same rows.
    `draws` has the scores of several random merges, of which `merged` is the first. `share` is the merged score, the
    mean over draws, over `single`; None where that is 0. `holdout` has the score on held-out training rows by scale, if
    the scale was chosen there.
    `identity` and `digest` are those of the run's record, `split` the one that was predicted. `label` names what was
    merged.
    """

    how: str
    scale: float
    density: float | None
    seed: int | None
    setting: dict[str, str]
    results: list[dict[str, Any]] = field(default_factory=list)
    label: str | None = None
    schema: int = _SCHEMA

    @property
    def name(self) -> str:
        """The label, else the methods of the runs."""
        return self.label or "+".join(dict.fromkeys(result["method"] for result in self.results))

    @property
    def mean_share(self) -> float | None:
        """The mean of the shares over tasks and draws, None if one of them is not known."""
        shares = [share for result in self.results if (share := share_of(result)) is not None]
        return fmean(shares) if len(shares) == len(self.results) else None

    def to_json(self) -> str:
        """Return the record as strict JSON with its digest. Raises ValueError if it is not valid."""
        if problem := _problem_of(self.results):
            raise ValueError(problem)
        return seal(self, _KINDS)


def part_name(place: int, task: str) -> str:
    """Return the split in `PREDICTIONS` that holds the predictions for the task of the run at `place`."""
    return f"{place}-{task.replace('/', '-')}"


def merged_score(result: dict[str, Any]) -> float:
    """Return the merged model's score on one task, the mean where there were several draws."""
    return fmean(result.get("draws") or [result["merged"]])


def share_of(result: dict[str, Any]) -> float | None:
    """Return the merged score over that of the run on this task alone; None where that is 0."""
    return merged_score(result) / result["single"] if result["single"] else None


def read_merge(file: Path) -> MergeRecord:
    """Read a merge record. Raises RequestError for a broken or edited one."""
    record = MergeRecord(**unseal(file, _KINDS))
    problem = _problem_of(record.results) if record.schema == _SCHEMA else f"its schema is {record.schema}"
    if problem:
        raise RequestError(f"{file} is no record of a merge of schema {_SCHEMA}: {problem}.")
    return record


def _problem_of(results: list[dict[str, Any]]) -> str | None:
    if not results:
        return "it has no results"
    draws = (score for result in results for score in result.get("draws") or [])
    return first_problem(results, _RESULT, "results") or first_problem(draws, float, "draws")
