"""A small record as JSON with a digest of itself."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.reading import parse_json, read_text
from frod_bench.record.json_types import JsonType, type_problem

_DIGEST = "digest"


def seal(record: Any, kinds: JsonType) -> str:
    """Return a dataclass as strict JSON with its digest. Raises ValueError unless it has the types of `kinds`."""
    content = asdict(record)
    if problem := _problem(content, kinds):
        raise ValueError(f"the record is not valid: {problem}")
    return json.dumps(content | {_DIGEST: _digest(content)}, indent=2, allow_nan=False) + "\n"


def unseal(file: Path, kinds: JsonType) -> dict[str, Any]:
    """Return the content of a file that `seal` made. Raises RequestError for a broken or edited one."""
    try:
        content = parse_json(read_text(file))
        digest = content.pop(_DIGEST, None) if isinstance(content, dict) else None
        problem = _problem(content, kinds)
        if problem is None and digest != _digest(content):
            problem = "it was edited or damaged after it was written, its digest does not fit"
    except ValueError as error:
        problem = f"it is not JSON ({error})"
    if problem:
        raise RequestError(f"{file} is no such record: {problem}.")
    return content


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _problem(content: Any, kinds: JsonType) -> str | None:
    if problem := type_problem(content, kinds, "it"):
        return problem
    unknown = sorted(content.keys() - {key.removesuffix("?") for key in kinds})
    return f"it has the unknown key {unknown[0]:.80}" if unknown else None
