"""Run a configuration and, when memory runs out, say which micro-batches would fit."""

from typing import Any

from frod_bench.forecast.memory import what_would_fit
from frod_bench.runs.job import run_job


def run_advised(config: dict[str, Any]) -> float:
    """Run a configuration; see `run_job`."""
    return run_job(config, advise=what_would_fit)
