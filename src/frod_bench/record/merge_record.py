"""`merge.json`: what a merged model scores on each of its tasks, beside the run that was trained on that task alone."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_text
from frod_bench.record.json_types import type_problem

FILE = "merge.json"
_SCHEMA = 1
_DIGEST = "digest"
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
}
_KINDS = {
    "how": str,
    "scale": float,
    "density": float | None,
    "seed": int | None,
    "backbone": str,
    "profile": str,
    "schema": int,
}


@dataclass(kw_only=True)
class MergeRecord:
    """One merge. `results` has an entry per run, in the order of the command.

    `single` is the reported score of the run, `merged` that of the merged model with the run's head on the same rows,
    `share` the second over the first, None where that is 0. `holdout` has the score on held-out training rows by scale,
    if the scale was chosen there. `identity` and `digest` are those of the run's record.
    """

    how: str
    scale: float
    density: float | None
    seed: int | None
    backbone: str
    profile: str
    results: list[dict[str, Any]] = field(default_factory=list)
    schema: int = _SCHEMA

    @property
    def mean_share(self) -> float | None:
        """The mean of the shares, None if one of them is not known."""
        shares = [result["share"] for result in self.results]
        return None if None in shares else fmean(shares)

    def to_json(self) -> str:
        """Return the record as strict JSON with its digest. Raises ValueError if it is not valid."""
        content = asdict(self)
        if problem := _problem(content):
            raise ValueError(f"the merge record is not valid: {problem}")
        return json.dumps(content | {_DIGEST: _digest(content)}, indent=2, allow_nan=False) + "\n"


def read_merge(file: Path) -> MergeRecord:
    """Read a merge record. Raises RequestError for a broken or edited one."""
    try:
        content = parse_json(read_text(file))
        problem = _problem(content, sealed=True)
        if problem is None and content.pop(_DIGEST) != _digest(content):
            problem = "it was edited or damaged after it was written, its digest does not fit"
    except ValueError as error:
        problem = f"it is not JSON ({error})"
    if problem:
        raise RequestError(f"{file} is no record of a merge of schema {_SCHEMA}: {problem}.")
    return MergeRecord(**content)


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _problem(content: Any, sealed: bool = False) -> str | None:
    if not isinstance(content, dict):
        return "it is not a JSON object"
    known = {entry.name for entry in fields(MergeRecord)} | ({_DIGEST} if sealed else set())
    if content.keys() != known:
        return f"its keys are {', '.join(sorted(map(str, content)))[:200]}"
    if content["schema"] != _SCHEMA:
        return f"its schema is {content['schema']!r:.80}"
    if not isinstance(content["results"], list) or not content["results"]:
        return "results is not a list with an entry per run"
    problems = [type_problem(content[key], kind, key) for key, kind in _KINDS.items()]
    problems += [type_problem(result, _RESULT, f"results[{n}]") for n, result in enumerate(content["results"])]
    return next(filter(None, problems), None)
