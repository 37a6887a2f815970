"""What the configuration files register: the choices of each group, and the values each file sets."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from frod_bench.config.paths import config_dir
from frod_bench.record.identity import flat_items, identity_of, settings_of

GROUPS = ("backbone", "method", "profile", "task")
_NOT_OURS = ("defaults", "hydra")


def choices(group: str) -> list[str]:
    """Return the choices of a configuration group, e.g. glue/rte in `task`."""
    folder = config_dir() / group
    files = [file.relative_to(folder).with_suffix("") for file in sorted(folder.rglob("*.yaml"))]
    return [file.as_posix() for file in files if not file.name.startswith("_") and file.parts[0] != "default"]


def read_group(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the choices of a configuration group by name, sorted.

    Hidden files (`_base`) and files with nothing but `defaults`, which only point to another choice, are left out.
    Defaults are merged as Hydra merges them within a group; interpolations stay as written.
    """
    paths = sorted(path for path in folder.rglob("*.yaml") if not path.name.startswith("_"))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    return {name: read_choice(folder, name) for name in names if _load(folder, name)[1]}


@cache
def read_choice(folder: Path, name: str) -> dict[str, Any]:
    """Return the values of one choice, its defaults merged in; interpolations stay as written."""
    return OmegaConf.to_container(_compose(folder, name))


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration; see `record.identity`."""
    return settings_of(config, _registered(config))


def identity(config: Mapping[str, Any]) -> str:
    """Return the name of the run of a resolved configuration; see `record.identity`."""
    return identity_of(settings(config))


def _registered(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the chosen files set, by dotted key, without interpolations."""
    parts = _root() | {group: _group_file(group, config[group]["name"]) for group in GROUPS}
    merged = [*flat_items(_root()), *flat_items(parts)]
    return {key: value for key, value in merged if not (isinstance(value, str) and "${" in value)}


def _group_file(group: str, name: str) -> dict[str, Any]:
    folder = config_dir() / group
    return read_choice(folder, name) if (folder / f"{name}.yaml").is_file() else {}


@cache
def _root() -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.load(config_dir() / "config.yaml"))
    return {key: value for key, value in content.items() if key not in _NOT_OURS}


def _compose(folder: Path, name: str) -> DictConfig:
    defaults, config = _load(folder, name)
    bases = [base.partition("@")[0] for base in defaults if isinstance(base, str) and base != "_self_"]
    return OmegaConf.merge(*(_compose(folder, base) for base in bases if base[0] != "/"), config)


def _load(folder: Path, name: str) -> tuple[list, DictConfig]:
    """Return a file's defaults and its own values; of a file that writes to the root, those of its group."""
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    config = OmegaConf.create(text)
    defaults = config.pop("defaults", [])
    return defaults, config[folder.name] if text.startswith("# @package _global_") else config
