"""What makes a run the run that it is: the one list that directories, records, tables and reports go by.

A run's settings are the leaves of its configuration, as dotted keys, that change its numbers and differ from what the
registered file of its method, task, backbone or profile says. So a class can be renamed and an option added without
renaming a run. What a registered file says may change only together with its `version`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

# Of the rules below. A record carries it; scripts/migrate_runs.py brings older records up to it.
IDENTITY_VERSION = 2

NO_EFFECT = "no effect"  # changes no number: where a run goes, who watches it, what people read
SOURCE = "source"  # where rows and weights come from: another run, but of the same cell of a table
COMPUTATION = "computation"  # how a step is computed: the same experiment, alike to rounding
EXPERIMENT = "experiment"  # everything that is not listed

_EFFECT = {
    "out": NO_EFFECT,
    "force": NO_EFFECT,
    "wandb": NO_EFFECT,
    "checkpoint": NO_EFFECT,
    "train.device": NO_EFFECT,
    "train.auto_batch": NO_EFFECT,
    "train.shard": NO_EFFECT,
    "data.max_row_bytes": NO_EFFECT,
    "method.description": NO_EFFECT,
    "method.citation": NO_EFFECT,
    "backbone.facts": NO_EFFECT,
    "task.rows": NO_EFFECT,
    "task.packaged": NO_EFFECT,
    "task.wording": NO_EFFECT,
    "data": SOURCE,
    "task.repo": SOURCE,
    "task.config": SOURCE,
    "backbone.path": SOURCE,
    "seed": SOURCE,
    "backbone.attention": COMPUTATION,
    "backbone.gradient_checkpointing": COMPUTATION,
    "method.way": COMPUTATION,
    "method.recompute": COMPUTATION,
    "train.accumulate": COMPUTATION,
    "train.eval_batch_size": COMPUTATION,
}
_FOR_HYDRA = ("_target_", "_convert_")
_ALWAYS_COUNTED = ("protocol", "selection", "seed")
_ALWAYS_COUNTED_LEAVES = ("name", "version")  # of method, task, backbone and profile


def flat_items(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of everything in a configuration."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flat_items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def effect_of(key: str) -> str:
    """Return what a dotted key can change; the longest listed key at or above it decides."""
    parts = key.split(".")
    if parts[-1] in _FOR_HYDRA:
        return NO_EFFECT
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_EFFECT[name] for name in above if name in _EFFECT), EXPERIMENT)


def settings_of(config: Mapping[str, Any], registered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration, `{dotted key: value}`.

    `registered` is what the chosen files themselves say, by dotted key. A leaf that is null is not set.
    """
    return {
        key: value
        for key, value in flat_items(config)
        if value is not None
        and effect_of(key) != NO_EFFECT
        and (_always_counts(key) or key not in registered or registered[key] != value)
    }


def identity_of(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that name a run: of the SHA-256 of its settings as canonical JSON.

    Keys are sorted and floats written by `repr`, so the order of keys does not matter, and 1 and 1.0 differ. Raises
    ValueError for NaN or infinity, TypeError for what JSON has no form for.
    """
    canonical = json.dumps(
        {"version": IDENTITY_VERSION, "settings": dict(settings)},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def cell_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those that may differ between a run and its cell of a table."""
    return {key: value for key, value in settings.items() if effect_of(key) != SOURCE}


def _always_counts(key: str) -> bool:
    group, _, leaf = key.partition(".")
    return key in _ALWAYS_COUNTED or (leaf in _ALWAYS_COUNTED_LEAVES and group != "wandb")
