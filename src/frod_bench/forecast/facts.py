"""What a forecast takes as given: `configs/plan.yaml`."""

from functools import cache
from typing import Any

import yaml

from frod_bench.config.paths import config_dir


@cache
def plan_facts() -> dict[str, Any]:
    """Return data sheets of devices, the tokens of a row and the assumed utilisation."""
    return yaml.safe_load((config_dir() / "plan.yaml").read_text(encoding="utf-8"))
