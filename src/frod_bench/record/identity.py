"""The identity of a run: the one list that directories, records, tables and reports use.

The settings of a run are the options, as dotted keys, that can change its numbers and that differ from the registered
file of its method, task, backbone or profile. So renaming a class or adding an option renames no run. A value in a
registered file may change only together with the file's `version`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from frod_bench.peft_tuners import spelled

# The version of the rules below, stored in every record; scripts/migrate_runs.py migrates older records.
IDENTITY_VERSION = 3

NO_EFFECT = "no effect"  # changes no number: output, logging, descriptions
SOURCE = "source"  # the origin of rows and weights, or the seed: another run in the same cell of a table
COMPUTATION = "computation"  # how a step is computed: the same experiment up to rounding
EXPERIMENT = "experiment"  # everything not listed

_EFFECT = {
    "out": NO_EFFECT,
    "force": NO_EFFECT,
    "start": NO_EFFECT,  # the folders of earlier runs, which `earlier` names by their identity
    "tracker": NO_EFFECT,
    "wandb": NO_EFFECT,
    "checkpoint": NO_EFFECT,
    "train.device": NO_EFFECT,
    "train.auto_batch": NO_EFFECT,
    "train.shard": NO_EFFECT,
    "data.max_row_bytes": NO_EFFECT,
    "method.description": NO_EFFECT,
    "method.citation": NO_EFFECT,
    "method.mask": NO_EFFECT,
    "earlier.mask.config": NO_EFFECT,
    "backbone.facts": NO_EFFECT,
    "backbone.found": NO_EFFECT,
    "task.rows": NO_EFFECT,
    "task.packaged": NO_EFFECT,
    "task.wording": NO_EFFECT,
    "task.together": NO_EFFECT,  # the tasks of a run on several; `task.parts` holds their settings
    "task.train": NO_EFFECT,  # where one's own rows lie; `task.content` says what they are
    "task.eval": NO_EFFECT,
    "data": SOURCE,
    "task.repo": SOURCE,
    "task.config": SOURCE,
    "backbone.path": SOURCE,
    "earlier.mask.identity": SOURCE,  # `earlier.mask.experiment` is the same for every seed
    "earlier.start.identity": SOURCE,
    "seed": SOURCE,
    "backbone.attention": COMPUTATION,
    "backbone.gradient_checkpointing": COMPUTATION,
    "method.way": COMPUTATION,
    "method.recompute": COMPUTATION,
    "method.accumulate_weight": COMPUTATION,
    "train.gradient_accumulation_steps": COMPUTATION,
    "train.eval_batch_size": COMPUTATION,
}
# settings that a search of rates chooses, or that its trials do without; it belongs to all others
_NOT_TUNED_FOR = ("seed", "selection", "evaluation", "data.max_eval", "data.root", "backbone.path")
RATES = "train.lr."
# a place, and the digest of what lies there, which counts in its stead
_NAMED_BY = {"backbone.path": "backbone.fingerprint"}
# options that make a method another one than the published one, so that every name of such a run states them
ALWAYS_NAMED = ("method.side",)
# a method that stands for many, and its option that says which; its value may be typed in any case
STANDS_FOR = {"peft": "type"}
_FOR_HYDRA = ("_target_", "_convert_")
_ALWAYS_COUNTED = ("protocol", "selection", "seed")
_ALWAYS_COUNTED_LEAVES = ("name", "version")  # of method, task, backbone and profile


def weights_of(provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the base weights of a run are, from their provenance, wherever a local copy of them lies."""
    found = dict(provenance or {})
    return {key: value for key, value in found.items() if key != "id" or found.get("source") != "local"}


def flat_items(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every value in a nested configuration."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flat_items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def effect_of(key: str) -> str:
    """Return what a dotted key affects, by the longest key in the list that equals or contains it."""
    parts = key.split(".")
    if parts[-1] in _FOR_HYDRA:
        return NO_EFFECT
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_EFFECT[name] for name in above if name in _EFFECT), EXPERIMENT)


def settings_of(config: Mapping[str, Any], registered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration, `{dotted key: value}`.

    `registered` holds the values in the chosen files, by dotted key. A null counts as not set, and a place does not
    count where a digest of what lies there is known.
    """
    values = dict(flat_items(config))
    return {
        key: value
        for key, value in values.items()
        if value is not None
        and values.get(_NAMED_BY.get(key, "")) is None
        and effect_of(key) != NO_EFFECT
        and (_always_counts(key) or key not in registered or registered[key] != value)
    }


def identity_of(settings: Mapping[str, Any]) -> str:
    """Return the name of a run: the first 16 hex digits of the SHA-256 of its settings as canonical JSON.

    Keys are sorted, so their order does not matter; floats are written by `repr`, so 1 and 1.0 differ. Raises
    ValueError for NaN or infinity, and TypeError for a value that JSON cannot represent.
    """
    canonical = json.dumps(
        {"version": IDENTITY_VERSION, "settings": dict(settings)},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def full_name(method: str, settings: Mapping[str, Any]) -> str:
    """Return the name of a run's method in messages and reports; of a tuner of PEFT it is "PEFT SHiRA"."""
    which = settings.get(f"method.{STANDS_FOR.get(method)}")
    return method if which is None else f"{method.upper()} {spelled(str(which))}"


def named_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that every name of a run states, besides its `full_name`."""
    return {key: settings[key] for key in ALWAYS_NAMED if key in settings}


def cell_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those in which the runs of one cell of a table may differ."""
    return {key: value for key, value in settings.items() if effect_of(key) != SOURCE}


def tuning_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that tuned rates depend on: those that a search of rates shares with the runs that use it.

    Of an earlier run it counts that there is one: that of a trial has the recipe's rates, and another seed.
    """
    return {
        key: None if key.startswith("earlier.") else value
        for key, value in settings.items()
        if key not in _NOT_TUNED_FOR and not key.startswith(RATES) and effect_of(key) != COMPUTATION
    }


def _always_counts(key: str) -> bool:
    group, _, leaf = key.partition(".")
    return key in _ALWAYS_COUNTED or (leaf in _ALWAYS_COUNTED_LEAVES and group != "wandb")
