"""What of a configuration makes a run that run, and the directory that follows from it."""

import os
from pathlib import Path
from typing import Any

from frod_bench.record import config_hash, counting


def identity(config: dict[str, Any]) -> str:
    """Return the hash of what counts in a configuration."""
    return config_hash(counting(config))


def output_root() -> Path:
    """Return the folder of all runs."""
    return Path(os.environ.get("FROD_BENCH_OUT", "outputs"))


def default_directory(config: dict[str, Any]) -> Path:
    """Return the directory of a run, made from its configuration alone, below `$FROD_BENCH_OUT` or outputs/."""
    parts = (config[key]["name"] for key in ("profile", "backbone", "task", "method"))
    return output_root().joinpath(*parts, f"seed{config['seed']}-{identity(config)[:8]}")
