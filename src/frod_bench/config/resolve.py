"""Turn a composed configuration into plain values."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from frod_bench.config.recipe import check_protocol
from frod_bench.errors import RequestError

_SECTIONS = ("backbone", "task", "method", "profile", "data", "text", "train", "train.lr", "checkpoint", "wandb")


def resolve(config: DictConfig) -> dict[str, Any]:
    """Return the configuration with every interpolation resolved and without the recipe tables."""
    for key in _SECTIONS:
        if not OmegaConf.is_dict(OmegaConf.select(config, key)):
            raise RequestError(f"{key} holds further keys and takes no value itself: type {key}.KEY=VALUE.")
    check_protocol(config.protocol)
    resolved = OmegaConf.to_container(config, resolve=True)
    resolved.pop("recipe")
    return resolved
