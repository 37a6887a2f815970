"""A run that needs an earlier one: `start` is the folder of a run whose adapter it carries on, `method.mask` that of a
run which a mask is made from, or `make`, which makes that run first.

The configuration then holds under `earlier` the identity of that run, which counts as a setting where the folder does
not, and with `make` its whole configuration.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from frod_bench.config.catalogue import config_files, settings
from frod_bench.config.tuned import is_fair, tuned_file, with_tuned_rates
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, RunRecord, default_directory, identity_of
from frod_bench.record.identity import cell_settings

MAKE = "make"
START = "start"
_OPTION = "mask"


def makes_first(config: DictConfig) -> bool:
    """Return whether the configuration asks for a run to be made before it."""
    return config.method.get(_OPTION) == MAKE


def first_stage(config: DictConfig) -> DictConfig:
    """Return the configuration of the run to make first: without a mask, and with the rates of the recipe.

    Rates on the command line are those of the run itself, and so is the density of its mask.
    """
    own = OmegaConf.load(config_files("method")[config.method.name])
    first = config.copy()
    for key in ("method.mask", "method.sparsity", "train.lr"):
        OmegaConf.update(first, key, OmegaConf.select(own, key), merge=False)
    OmegaConf.update(first, "out", None)
    OmegaConf.update(first, "force", False)
    return first


def with_made(resolved: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that makes the run `first` and takes its mask from it."""
    found = settings(first)
    folder = default_directory(first, identity_of(found))
    changed = resolved | {"method": resolved["method"] | {_OPTION: str(folder)}}
    return _with_names(changed, _OPTION, _names(found) | {"config": first})


def with_found(resolved: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the names of the runs whose folders it has.

    Raises RequestError unless each folder holds a complete run of the same backbone.
    """
    places = {START: (START, resolved.get(START)), _OPTION: (f"method.{_OPTION}", resolved["method"].get(_OPTION))}
    for name, (option, folder) in places.items():
        if folder is not None and name not in resolved.get("earlier", {}):
            resolved = _with_names(resolved, name, _names(_complete_run(option, folder, resolved).settings))
    return resolved


def carried_on(resolved: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that carries on the adapter of the run with the resolved configuration `before`."""
    found = settings(before)
    changed = resolved | {START: str(default_directory(before, identity_of(found)))}
    return _with_names(changed, START, _names(found))


def _complete_run(option: str, folder: Any, resolved: dict[str, Any]) -> RunRecord:
    if not isinstance(folder, str) or not RunDirectory(folder).record.is_file():
        accepted = f", or {MAKE} to make that run first" if option != START else ""
        raise RequestError(f"{option}={folder} is not accepted: the folder of a run{accepted}.")
    record = RunDirectory(Path(folder)).read_record()
    if record.status != "completed":
        raise RequestError(f"{option}={folder} is not complete. Resume it with the command that started it.")
    if record.backbone != (backbone := resolved["backbone"]["name"]):
        raise RequestError(f"{option}={folder} is a run of {record.backbone}, and this one is of {backbone}.")
    return record


def _with_names(resolved: dict[str, Any], name: str, names: dict[str, Any]) -> dict[str, Any]:
    return resolved | {"earlier": resolved.get("earlier", {}) | {name: names}}


def with_seed(resolved: dict[str, Any], seed: int, tuned: bool) -> dict[str, Any]:
    """Return the configuration with another seed, also for a run to make first.

    With protocol=fair the rates of both are the tuned ones; without `tuned`, the recipe's where nothing is tuned yet.
    """
    seeded = resolved | {"seed": seed}
    if is_fair(seeded) and (tuned or tuned_file(seeded).is_file()):
        seeded = with_tuned_rates(seeded)
    first = to_make_first(resolved)
    return seeded if first is None else with_made(seeded, with_seed(first, seed, tuned))


def to_make_first(config: dict[str, Any]) -> dict[str, Any] | None:
    """Return the configuration of the run to make before this one, if there is one."""
    return config.get("earlier", {}).get(_OPTION, {}).get("config")


def _names(found: dict[str, Any]) -> dict[str, str]:
    """Return the names of a run and of its experiment, which has the same one for every seed, from its settings."""
    return {"identity": identity_of(found), "experiment": identity_of(cell_settings(found))}
