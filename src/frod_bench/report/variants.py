"""What sets runs of one method apart: the settings in which their configurations differ."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, StoredRun

# Settings in which the seeds of one experiment may differ; none of them changes a number but the seed.
_FREE = frozenset({"seed", "out", "force", "wandb.mode", "wandb.project", "train.device"})
_FREE |= {"train.auto_batch", "checkpoint.every_s", "data.max_row_bytes"}


def settings(run: StoredRun) -> dict[str, str]:
    """Return what `configuration` does without the seed, the place it wrote to and what else changes no number."""
    return {key: value for key, value in configuration(run).items() if key not in _FREE}


def configuration(run: StoredRun) -> dict[str, str]:
    """Return the run's configuration as `{dotted key: value}`.

    The version of the data is a part of it: runs on different rows are different experiments. Raises
    RequestError when the run's `config.yaml` is missing or broken.
    """
    version = {key: run.record.data[key] for key in ("revision", "fingerprint") if key in run.record.data}
    return _flatten(read_configuration(run)) | _flatten({"data": version})


def read_configuration(run: StoredRun) -> dict[str, Any]:
    """Return the run's `config.yaml`. Raises RequestError when it is missing or broken."""
    directory = RunDirectory(run.path)
    try:
        config = yaml.safe_load(directory.read_config())
    except yaml.YAMLError as error:
        raise RequestError(f"{directory.config} is broken: it is not YAML.") from error
    if not isinstance(config, dict):
        raise RequestError(f"{directory.config} is broken: it is not a configuration.")
    return config


def differing(variants: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the keys that do not have one and the same value in all the variants."""
    pairs = [set(variant.items()) for variant in variants]
    return {key for key, _ in set.union(*pairs) - set.intersection(*pairs)}


def label(method: str, variant: Mapping[str, str], keys: Iterable[str]) -> str:
    """Return the method's name with the values of the `keys` that tell its variants apart.

    A key is cut down to its last word where that is clear: "frod, sparsity=0.1".
    """
    keys = sorted(keys)
    words = [key.rpartition(".")[2] for key in keys]
    shown = [word if words.count(word) == 1 else key for key, word in zip(keys, words, strict=True)]
    values = [f"{name}={variant.get(key, 'unset')}" for key, name in zip(keys, shown, strict=True)]
    return ", ".join([method, *values])


def _flatten(node: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(node, dict):
        return {prefix: str(node)}
    flat = {}
    for key, value in node.items():
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
