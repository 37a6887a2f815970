"""`retention.json`: what tuned models still score on a task that they were not tuned on, with a head of the base's."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.json_types import first_problem
from frod_bench.record.sealed import seal, unseal

FILE = "retention.json"
EPOCH = 1  # of the predictions: a body that is only scored has no epochs
_SCHEMA = 1
_RESULT = {
    "trained_on": str,
    "method": str,
    "seed": int,
    "identity": str,
    "digest": str,
    "own": float,
    "retained": float,
}
_KINDS = {
    "task": str,
    "metric": str,
    "split": str,
    "rows": int,
    "head_rows": int,
    "base": float,
    "largest_class": float,
    "backbone": dict,
    "data": dict,
    "setting": {str: str},
    "results": list,
    "schema": int,
}


@dataclass(kw_only=True)
class RetentionRecord:
    """The scores of several runs of one backbone on `task`, which none of them was tuned on.

    `base` is the score of the pretrained body with a head fitted on its features of `head_rows` training rows, and
    `largest_class` the share of the most frequent class among the `rows` rows of `split`. `results` has an entry per
    run, with its method's name in reports: `own` is its reported score on the task `trained_on`, and `retained` the
    score of its body with that same head. `backbone` and `data` say where weights and rows come from.
    """

    task: str
    metric: str
    split: str
    rows: int
    head_rows: int
    base: float
    largest_class: float
    backbone: dict[str, Any]
    data: dict[str, Any]
    setting: dict[str, str]
    results: list[dict[str, Any]] = field(default_factory=list)
    schema: int = _SCHEMA

    def to_json(self) -> str:
        """Return the record as strict JSON with its digest. Raises ValueError if it is not valid."""
        if problem := first_problem(self.results, _RESULT, "results"):
            raise ValueError(problem)
        return seal(self, _KINDS)


def read_retention(file: Path) -> RetentionRecord:
    """Read such a record. Raises RequestError for a broken or edited one."""
    record = RetentionRecord(**unseal(file, _KINDS))
    problem = f"its schema is {record.schema}" if record.schema != _SCHEMA else None
    problem = problem or first_problem(record.results, _RESULT, "results")
    if problem:
        raise RequestError(f"{file} is no record of retention of schema {_SCHEMA}: {problem}.")
    return record


def predictions_file(folder: Path, digest: str) -> Path:
    """Return the file of one run's predictions, by the digest of its record; `base` for those of the base."""
    return folder / f"predictions-{digest.rpartition(':')[2][:16]}.parquet"
