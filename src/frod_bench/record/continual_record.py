"""What one adapter scores on each task of a sequence after each stage."""

from dataclasses import dataclass, field
from pathlib import Path

from frod_bench.errors import RequestError
from frod_bench.record.json_types import type_problem
from frod_bench.record.sealed import seal, unseal

_SCHEMA = 1
_KINDS = {
    "method": str,
    "seed": int,
    "setting": {str: str},
    "tasks": list,
    "metrics": list,
    "runs": list,
    "matrix": list,
    "alone": list,
    "joint?": list,
    "average": float | None,
    "backward_transfer": float | None,
    "forgetting": float | None,
    "schema": int,
}


@dataclass(kw_only=True)
class ContinualRecord:
    """One method, one seed, one sequence; lists have an entry for each task, in the order of training.

    `runs` holds the digest of each stage's record. `matrix[i][j]` is the score on task j after stage i, None for a task
    that comes later or was not scored yet. `alone[j]` is the score of a run on task j alone, `joint[j]` that of a run
    on all tasks together, None where there is none; records of older versions have no `joint`. The three summaries are
    those of `merging.continual`, None until the matrix is complete.
    """

    method: str
    seed: int
    setting: dict[str, str]
    tasks: list[str]
    metrics: list[str]
    runs: list[str]
    matrix: list[list[float | None]]
    alone: list[float | None]
    joint: list[float | None] = field(default_factory=list)
    average: float | None = None
    backward_transfer: float | None = None
    forgetting: float | None = None
    schema: int = _SCHEMA

    def __post_init__(self) -> None:
        self.joint = self.joint or [None] * len(self.tasks)

    def to_json(self) -> str:
        """Return the record as strict JSON with its digest. Raises ValueError if it is not valid."""
        if problem := _problem(self):
            raise ValueError(problem)
        return seal(self, _KINDS)


def read_continual(file: Path) -> ContinualRecord:
    """Read such a record. Raises RequestError for a broken or edited one."""
    record = ContinualRecord(**unseal(file, _KINDS))
    problem = _problem(record) if record.schema == _SCHEMA else f"its schema is {record.schema}"
    if problem:
        raise RequestError(f"{file} is no record of a sequence of tasks of schema {_SCHEMA}: {problem}.")
    return record


def _problem(record: ContinualRecord) -> str | None:
    count = len(record.tasks)
    lists = (record.metrics, record.runs, record.matrix, record.alone, record.joint)
    if not count or any(len(part) != count for part in lists):
        return "its lists do not have an entry for each task"
    named = {"tasks": record.tasks, "metrics": record.metrics, "runs": record.runs}
    words = (type_problem(word, str, key) for key, part in named.items() for word in part)
    rows = [*record.matrix, record.alone, record.joint]
    if not all(isinstance(row, list) and len(row) == count for row in rows):
        return "its matrix is not square"
    scores = (type_problem(score, float | None, "a score") for row in rows for score in row)
    return next(filter(None, (*words, *scores)), None)
