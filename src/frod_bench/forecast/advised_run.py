"""A run that says, when memory runs out, which micro-batches would fit."""

from typing import Any

from frod_bench.forecast.memory import what_would_fit
from frod_bench.runs.job import run_job


def run_advised(config: dict[str, Any]) -> float:
    """Run a configuration as `run_job` does; see there."""
    return run_job(config, advise=what_would_fit)
