"""The assumptions of a forecast, read from `configs/plan.yaml`."""

from functools import cache
from typing import Any

import yaml

from frod_bench.config.paths import config_dir


@cache
def plan_facts() -> dict[str, Any]:
    """Return the data sheets of devices, the tokens per row of each task and the assumed utilisation."""
    return yaml.safe_load((config_dir() / "plan.yaml").read_text(encoding="utf-8"))
