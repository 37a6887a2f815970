"""What of a configuration makes a run that run: the one list that names, records and reports go by."""

from collections.abc import Iterator
from typing import Any

# Keys that change no number: where a run goes, who watches it, and what is there for people to read.
_NO_EFFECT = ("out", "force", "wandb", "checkpoint", "train.device", "train.auto_batch", "train.shard")
_NO_EFFECT += ("data.max_row_bytes", "method.description", "method.citation")
_NO_EFFECT += ("backbone.facts", "task.rows", "task.packaged")


def counting(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the configuration without the keys that change no number.

    A key that is null counts like one that is not there, so that a new option does not rename old runs.
    """
    kept = {key: value for key, value in node.items() if value is not None and f"{prefix}{key}" not in _NO_EFFECT}
    return {k: counting(v, f"{prefix}{k}.") if isinstance(v, dict) else v for k, v in kept.items()}


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of everything in a configuration."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
