"""Where runs go: a directory that follows from the configuration alone."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def output_root() -> Path:
    """Return the folder of all runs, `$FROD_BENCH_OUT` or outputs/."""
    return Path(os.environ.get("FROD_BENCH_OUT", "outputs"))


def default_directory(config: Mapping[str, Any], identity: str) -> Path:
    """Return the directory of the run of a resolved configuration with this identity, below `output_root()`."""
    parts = (config[key]["name"] for key in ("profile", "backbone", "task", "method"))
    return output_root().joinpath(*parts, f"seed{config['seed']}-{identity[:8]}")
