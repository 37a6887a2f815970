"""The directory of a run, which depends only on its configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMAND = "FROD_BENCH_COMMAND"  # the environment variable with the command line that was typed
CONTINUAL = "continual"  # the folder of the scores of sequences of tasks, below that of all runs


def output_root() -> Path:
    """Return the folder of all runs: `$FROD_BENCH_OUT`, or outputs/."""
    return Path(os.environ.get("FROD_BENCH_OUT", "outputs"))


def default_directory(config: Mapping[str, Any], identity: str) -> Path:
    """Return the directory, below `output_root()`, of the run with this resolved configuration and identity."""
    parts = (config[key]["name"] for key in ("profile", "backbone", "task", "method"))
    return output_root().joinpath(*parts, f"seed{config['seed']}-{identity[:8]}")
