"""What the configuration files register: the choices of each group, and the values each file sets."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from frod_bench.config.paths import config_dir, config_dirs
from frod_bench.record.identity import flat_items, identity_of, settings_of

GROUPS = ("backbone", "method", "profile", "task")
_NOT_OURS = ("defaults", "hydra")


def choices(group: str) -> list[str]:
    """Return the choices of a configuration group, e.g. glue/rte in `task`, the package's before a user's."""
    return [name for name in config_files(group) if not name.startswith("default/")]


def config_files(group: str) -> dict[str, Path]:
    """Return the files of a group by name, without hidden ones (`_base`): the package's, then a user's."""
    found: dict[str, Path] = {}
    for folder in config_dirs():
        files = {_name(folder / group, file): file for file in (folder / group).rglob("[!_]*.yaml")}
        found |= {name: files[name] for name in sorted(files)}
    return found


def read_group(group: str) -> dict[str, dict[str, Any]]:
    """Return the choices of a configuration group by name, sorted.

    Hidden files (`_base`) and files with nothing but `defaults`, which only point to another choice, are left out.
    Defaults are merged as Hydra merges them within a group; interpolations stay as written.
    """
    return {name: read_choice(group, name) for name in sorted(config_files(group)) if _load(group, name)[1]}


def read_choice(group: str, name: str) -> dict[str, Any]:
    """Return the values of one choice, its defaults merged in; interpolations stay as written."""
    return _read_choice(config_dirs(), group, name)


def own_values(group: str, name: str) -> dict[str, Any]:
    """Return the values that a choice's own file sets, without its defaults; interpolations stay as written."""
    return plain(_load(group, name)[1])


def plain(config: DictConfig, resolve: bool = False) -> dict[str, Any]:
    """Return a configuration as plain data."""
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=resolve))


def registered_name(part: Mapping[str, Any]) -> str:
    """Return the choice that a part of a configuration was made from: `choice`, where its name is another one."""
    return part.get("choice") or part["name"]


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration; see `record.identity`."""
    return settings_of(config, _registered(config))


def identity(config: Mapping[str, Any]) -> str:
    """Return the name of the run of a resolved configuration; see `record.identity`."""
    return identity_of(settings(config))


def _registered(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the chosen files set, by dotted key, without interpolations."""
    parts = _root() | {group: _group_file(group, registered_name(config[group])) for group in GROUPS}
    merged = [*flat_items(_root()), *flat_items(parts)]
    return {key: value for key, value in merged if not (isinstance(value, str) and "${" in value)}


def _group_file(group: str, name: str) -> dict[str, Any]:
    return read_choice(group, name) if _file(group, name) is not None else {}


@cache
def _root() -> dict[str, Any]:
    content = plain(cast(DictConfig, OmegaConf.load(config_dir() / "config.yaml")))
    return {key: value for key, value in content.items() if key not in _NOT_OURS}


@cache
def _read_choice(folders: tuple[Path, ...], group: str, name: str) -> dict[str, Any]:
    """Read a choice; `folders` are those of now, which decide which files there are."""
    return plain(_compose(group, name))


def _compose(group: str, name: str) -> DictConfig:
    defaults, config = _load(group, name)
    named = [base.partition("@")[0] for base in defaults if isinstance(base, str) and base != "_self_"]
    bases = [base for base in (name.removeprefix(f"/{group}/") for name in named) if not base.startswith("/")]
    return cast(DictConfig, OmegaConf.merge(*(_compose(group, base) for base in bases), config))


def _load(group: str, name: str) -> tuple[list[Any], DictConfig]:
    """Return a file's defaults and its own values; of a file that writes to the root, those of its group."""
    file = _file(group, name)
    if file is None:
        raise FileNotFoundError(f"there is no file {group}/{name}.yaml")
    text = file.read_text(encoding="utf-8")
    config = cast(DictConfig, OmegaConf.create(text))
    defaults = config.pop("defaults", [])
    return defaults, config[group] if text.startswith("# @package _global_") else config


def _file(group: str, name: str) -> Path | None:
    files = (folder / group / f"{name}.yaml" for folder in config_dirs())
    return next((file for file in files if file.is_file()), None)


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
