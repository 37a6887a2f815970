"""The registered backbones: what is known without their weights."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.catalogue import read_group
from frod_bench.config.paths import config_dirs
from frod_bench.errors import RequestError, did_you_mean


class RegisteredBackbone(NamedTuple):
    """A file of `configs/backbone/`; `parameters` counts those of the body, without a head."""

    name: str
    architecture: Architecture
    targets: list[str]
    head: list[str]
    parameters: int
    config: dict[str, Any]


def registered_backbone(name: str) -> RegisteredBackbone:
    """Return the backbone of that name. Raises RequestError for an unknown one."""
    return _read(config_dirs(), name)


@cache
def _read(folders: tuple[Path, ...], name: str) -> RegisteredBackbone:
    """Read a backbone; `folders` are those of now, which decide which files there are."""
    known = read_group("backbone")
    if name not in known:
        raise RequestError(f"There is no backbone {name}. {did_you_mean(name, known)}")
    config = known[name]
    parameters = config["facts"]["parameters"]
    return RegisteredBackbone(name, Architecture.of(config), config["targets"], config["head"], parameters, config)
