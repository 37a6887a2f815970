"""Options that have a new name: the old one is accepted for one version, and read from older configurations."""

from collections.abc import Mapping
from typing import Any

# The new names are those of transformers' TrainingArguments.
RENAMED_KEYS = {
    "train.accumulate": "train.gradient_accumulation_steps",
    "train.clip_norm": "train.max_grad_norm",
    "train.warmup": "train.warmup_steps",
}


def with_current_keys(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a configuration, nested or by dotted keys, with the old names replaced in their places."""
    current = {}
    for key, value in config.items():
        dotted = f"{prefix}{key}"
        name = RENAMED_KEYS.get(dotted, dotted).removeprefix(prefix)
        current[name] = with_current_keys(value, f"{dotted}.") if isinstance(value, Mapping) else value
    return current
