"""What of a configuration makes a run that run, and the directory that follows from it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frod_bench.record import config_hash

# Keys that change no number: where a run goes, who watches it, and what is there for people to read.
_NO_EFFECT = ("out", "force", "wandb", "train.device", "method.description", "method.citation")
_NO_EFFECT += ("backbone.facts", "task.rows", "task.packaged", "checkpoint", "train.auto_batch", "data.max_row_bytes")


def identity(config: dict[str, Any]) -> str:
    """Return the hash of what counts in a configuration.

    A key that is null counts like one that is not there, so that a new option does not rename old runs.
    """
    return config_hash(_counting(config))


def output_root() -> Path:
    """Return the folder of all runs."""
    return Path(os.environ.get("FROD_BENCH_OUT", "outputs"))


def default_directory(config: dict[str, Any]) -> Path:
    """Return the directory of a run, made from its configuration alone, below `$FROD_BENCH_OUT` or outputs/."""
    parts = (config[key]["name"] for key in ("profile", "backbone", "task", "method"))
    return output_root().joinpath(*parts, f"seed{config['seed']}-{identity(config)[:8]}")


def counting(config: dict[str, Any]) -> dict[str, Any]:
    """Return what counts in a configuration as `{dotted key: value}`."""
    return dict(_leaves(_counting(config)))


def _leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _counting(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    kept = {key: value for key, value in node.items() if value is not None and f"{prefix}{key}" not in _NO_EFFECT}
    return {k: _counting(v, f"{prefix}{k}.") if isinstance(v, dict) else v for k, v in kept.items()}
