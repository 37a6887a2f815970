"""`perplexity.json`: what tuned language models make of text in general, beside their base."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.record.json_types import first_problem
from frod_bench.record.sealed import seal, unseal

FILE = "perplexity.json"
_SCHEMA = 1
_WHO = {"trained_on": str, "method": str, "seed": int, "digest": str}
_RESULT = _WHO | {"identity": str, "own": float, "perplexity": float, "change": float, "error": float}
_EXCLUDED = _WHO | {"reason": str}
_KINDS = {
    "texts": int,
    "tokens": int,
    "max_length": int,
    "base": float,
    "backbone": dict,
    "data": dict,
    "setting": {str: str},
    "results": list,
    "excluded": list,
    "schema": int,
}


@dataclass(kw_only=True)
class PerplexityRecord:
    """The perplexity of several runs of one backbone on the same texts, and of their base.

    `tokens` is the number of predicted tokens of the `texts`, each cut to `max_length`. `results` has an entry per run,
    with its method's name in reports: `own` is its reported score on the task `trained_on`, `change` the mean loss per
    token less the base's, in nats, and `error` the standard error of that over texts. `excluded` says which runs were
    not measured and why. `backbone` and `data` say where weights and texts come from.
    """

    texts: int
    tokens: int
    max_length: int
    base: float
    backbone: dict[str, Any]
    data: dict[str, Any]
    setting: dict[str, str]
    results: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[dict[str, Any]] = field(default_factory=list)
    schema: int = _SCHEMA

    def to_json(self) -> str:
        """Return the record as strict JSON with its digest. Raises ValueError if it is not valid."""
        if problem := _problem(self):
            raise ValueError(problem)
        return seal(self, _KINDS)


def read_perplexity(file: Path) -> PerplexityRecord:
    """Read such a record. Raises RequestError for a broken or edited one."""
    record = PerplexityRecord(**unseal(file, _KINDS))
    problem = f"its schema is {record.schema}" if record.schema != _SCHEMA else _problem(record)
    if problem:
        raise RequestError(f"{file} is no record of perplexity of schema {_SCHEMA}: {problem}.")
    return record


def _problem(record: PerplexityRecord) -> str | None:
    return first_problem(record.results, _RESULT, "results") or first_problem(record.excluded, _EXCLUDED, "excluded")
