"""The run record: its keys, the checks of a valid record, and its JSON form, which includes its own digest."""

import hashlib
import json
import sys
from dataclasses import dataclass, field, fields
from typing import Any

from frod_bench.errors import Diverged, RequestError
from frod_bench.reading import parse_json
from frod_bench.record.identity import IDENTITY_VERSION
from frod_bench.record.json_types import JsonType, type_problem

SCHEMA = 3
DIGEST = "digest"
STATUSES = ("running", "interrupted", "completed", "failed")

_SCORE = {"value": float, "epoch": int, "metrics": {str: float}}
# The least that each part of a completed record holds, and its type; see `type_problem`.
_PARTS = {
    "metric": {"name": str, "higher_is_better": bool},
    "best": _SCORE,
    "final": _SCORE,
    "params": {"trainable": int, "head": int, "total": int, "pct_of_backbone": float},
    "samples": {"train": int, "eval": int},
    "time": {"init_s": float, "train_s": float, "eval_s": float},
    "memory": {"peak_bytes": int | None, "kind": str},
    "environment": {
        "packages": {str: str | None},
        "device": str,
        "cpu?": str,
        "commit": str | None,
        "dirty": bool | None,
        "segments?": list,
    },
    "data": {"source": str, "note?": str, "cut?": str, "wording?": str},
    "initialisation": {},
    "files": {str: str},
}
REMARKS = ("note", "cut", "wording")  # keys of `data` with remarks for readers of a table
# The types of a line of `metrics.jsonl` (see `record.epoch`) and of `losses.jsonl`.
METRICS = {
    "epoch": int,
    "step?": int,
    "train_loss?": float,
    "eval?": {str: float},
    "tan_alpha?": {"mean": float | None, "min?": float, "max?": float, "per_layer?": {str: float | None}},
    "lr_ratio?": float,
    "cosine?": float,
    "seconds?": float,
    "flops?": float,
}
LOSSES = {"epoch": int, "losses": list}
_COLUMNS = tuple(key.removesuffix("?") for key in METRICS)
_ANGLES = ("mean", "min", "max")  # of tan alpha
_LONGEST = 200  # characters of a name, since a table is as wide as its widest cell
_MOST_METRICS = 64
_WORDS = ("method", "task", "backbone", "profile", "protocol", "selection", "identity")


@dataclass(kw_only=True)
class RunRecord:
    """The results of one run; these fields are the keys of `record.json`.

    `settings` determine the run and `identity` is their name, see `record.identity`. `best` and `final` are
    `{value, epoch, metrics}`, or None before the first evaluation; `value` is the primary metric on the evaluation
    split, as a fraction. `final` is the last epoch; `best` has the best value, or with selection=holdout the best value
    on the hold-out. `params.pct_of_backbone` is a percentage, times end in `_s` (seconds), memory is in bytes.
    `environment.segments` tells which part of the run was computed on which machine (see `train.machine`).
    `initialisation` holds what a method reports about its start, `files` the digests of the run's other files by path.
    `predictions` holds a digest of the selected epoch's ids, labels and predictions by split; older runs have none.
    Fields with a default are filled in during a run; a completed record has all of them.
    """

    method: str
    task: str
    backbone: str
    profile: str
    protocol: str
    selection: str
    seed: int
    identity: str
    metric: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    error: str | None = None
    best: dict[str, Any] | None = None
    final: dict[str, Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    initialisation: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    predictions: dict[str, str] = field(default_factory=dict)
    identity_version: int = IDENTITY_VERSION
    schema: int = SCHEMA

    @property
    def selected(self) -> dict[str, Any] | None:
        """The reported score: `final` with selection=last, else `best`."""
        return self.final if self.selection == "last" else self.best

    def reached(self, which: str) -> dict[str, Any]:
        """Return `best`, `final` or `selected`. Raises ValueError before the first evaluation."""
        score = {"best": self.best, "final": self.final, "selected": self.selected}[which]
        if score is None:
            raise ValueError(f"the run {self.identity} has no score yet")
        return score

    @property
    def objective(self) -> float:
        """The objective of a search: the selected epoch's score, on the hold-out if there is one."""
        selected = self.selected or {}
        return selected["metrics"].get(f"holdout_{self.metric['name']}", selected["value"])

    @property
    def is_trial(self) -> bool:
        """Whether the run was a trial of a search, which has no score on evaluation rows."""
        return self.settings.get("evaluation") == "never"

    @property
    def diverged(self) -> bool:
        """Whether the run failed for its learning rates, as it would again."""
        return self.status == "failed" and str(self.error).startswith(Diverged.MARK)

    @property
    def digest(self) -> str:
        """ "sha256:" and the digest of the whole record, by which a cell of a table refers to it."""
        return _digest(_content(self))

    def to_json(self) -> str:
        """Return the record as strict JSON. Raises ValueError for NaN, infinity or a record that is not valid."""
        content = _content(self)
        if problem := _problem(content):
            raise ValueError(f"the run record is not valid: {problem}")
        return json.dumps(content | {DIGEST: _digest(content)}, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "record.json") -> "RunRecord":
        """Parse a record. Raises RequestError, naming the file `where`, for a broken or edited one."""
        try:
            content = parse_json(text)
            problem = _unseal(content) or _problem(content)
        except ValueError as error:
            problem = f"it is not JSON ({error})"
        if problem:
            raise RequestError(f"{where} is not a run record of schema {SCHEMA}: {problem}.")
        return cls(**_interned(content))


def brief(line: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a line of `metrics.jsonl` that has a type in `METRICS`, without the values of single layers.

    Those and the columns that no report reads are nearly all of a line.
    """
    kept = {key: line[key] for key in _COLUMNS if key in line}
    if angle := kept.get("tan_alpha"):
        kept["tan_alpha"] = {key: angle[key] for key in _ANGLES if key in angle}
    return kept


def _content(record: RunRecord) -> dict[str, Any]:
    """Return the fields of a record; an older one has no `predictions`, and its digest stays what it was."""
    names = (entry.name for entry in fields(record))
    return {name: getattr(record, name) for name in names if name != "predictions" or record.predictions}


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _interned(content: Any) -> Any:
    """Return JSON data whose equal texts are one object: the records of a folder mostly repeat the same words."""
    if isinstance(content, dict):
        return {sys.intern(key): _interned(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_interned(value) for value in content]
    return sys.intern(content) if isinstance(content, str) else content


def _unseal(content: Any) -> str | None:
    """Remove the digest from the parsed content and check it; return what is wrong, or None."""
    if not isinstance(content, dict):
        return "it is not a JSON object"
    if content.get("schema") == 1:
        return "it is of schema 1, which has no digest to tell whether it was edited: make the run again"
    if content.get("schema") == 2:
        return "it is of schema 2 (version 0.1). Type: python scripts/migrate_runs.py FOLDER"
    if content.get("identity_version") in range(IDENTITY_VERSION):
        return "its identity has the form of an older version. Type: python scripts/migrate_runs.py FOLDER"
    digest = content.pop(DIGEST, None)
    if digest is None:
        return f"it lacks {DIGEST}"
    if digest != _digest(content):
        return "it was edited or damaged after it was written, its digest does not fit"
    return None


def _problem(content: Any) -> str | None:
    """Return what is wrong with the content of a record, or None."""
    if content.get("schema") != SCHEMA:
        return f"its schema is {content.get('schema')!r}"
    keys = {entry.name for entry in fields(RunRecord)}
    if missing := sorted(keys - content.keys() - {"predictions"}):
        return f"it lacks {', '.join(missing)}"
    if unknown := sorted(content.keys() - keys):
        return f"it has the unknown key {', '.join(unknown)}"
    if content["status"] not in STATUSES:
        return f"its status is {content['status']!r:.80}, not one of {', '.join(STATUSES)}"
    kinds: dict[str, JsonType] = dict.fromkeys(_WORDS, str)
    kinds |= {"seed": int, "error": str | None, "settings": {}, "identity_version": int, "predictions": {str: str}}
    problems = (type_problem(content[key], kind, key) for key, kind in kinds.items() if key in content)
    return next(filter(None, problems), None) or _problem_of_parts(content) or _problem_of_size(content)


def _problem_of_size(content: dict[str, Any]) -> str | None:
    metrics = [score["metrics"] for key in ("best", "final") if (score := content[key])]
    if max(map(len, metrics), default=0) > _MOST_METRICS:
        return f"it has more than {_MOST_METRICS} metrics"
    names = [content[key] for key in _WORDS] + [content["metric"]["name"], str(content["data"].get("source"))]
    longest = max([*names, *(name for found in metrics for name in found)], key=len)
    return f"the name {longest[:20]!r} … has more than {_LONGEST} characters" if len(longest) > _LONGEST else None


def _problem_of_parts(content: dict[str, Any]) -> str | None:
    completed = content["status"] == "completed"
    for key, kind in _PARTS.items():
        if content[key] is None and key in ("best", "final") and not completed:
            continue
        if problem := type_problem(content[key], kind, key, complete=completed or kind is _SCORE or key == "metric"):
            return problem
    return None
