"""Turn a composed configuration into plain values."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from frod_bench.config import earlier
from frod_bench.config.catalogue import GROUPS, plain
from frod_bench.config.own_model import with_own_model
from frod_bench.config.precision import AUTO, fastest_precision
from frod_bench.config.recipe import check_protocol
from frod_bench.config.tuned import FAIR, is_fair, with_tuned_rates
from frod_bench.errors import RequestError
from frod_bench.record.identity import STANDS_FOR

_SECTIONS = ("backbone", "task", "method", "profile", "data", "text", "train", "train.lr", "checkpoint", "wandb")


def resolve(config: DictConfig, tuned: bool = True) -> dict[str, Any]:
    """Return the configuration with every interpolation resolved and without the recipe tables.

    train.precision=auto is resolved to what this machine computes faster.
    With protocol=fair, the rates are those that were tuned for it, unless it is a trial itself (evaluation=never) or
    `tuned` is false. For a run that starts from an earlier one, `config.earlier` says what is added. Raises
    RequestError when nothing was tuned, for an earlier run that is not accepted, and for a key without a value.
    """
    for key in _SECTIONS:
        if not OmegaConf.is_dict(OmegaConf.select(config, key)):
            raise RequestError(f"{key} holds further keys and takes no value itself: type {key}.KEY=VALUE.")
    check_protocol(config.protocol)
    _require_values(config)
    resolved = with_own_model(_in_one_case(plain(config, resolve=True)))
    resolved.pop("recipe")
    if resolved["train"]["precision"] == AUTO:
        resolved["train"]["precision"] = fastest_precision(resolved["train"]["device"])
    if resolved["protocol"] == FAIR:
        _check_fair(config, resolved)
    resolved = with_tuned_rates(resolved) if tuned and is_fair(resolved) else resolved
    if earlier.makes_first(config):
        resolved = earlier.with_made(resolved, resolve(earlier.first_stage(config), tuned))
    return earlier.with_found(resolved)


def _require_values(config: DictConfig) -> None:
    """Raise RequestError for a key that its file leaves open, which is written ??? there."""
    for group in GROUPS:
        for key in sorted(OmegaConf.missing_keys(config[group])):
            name, description = config[group].get("name"), config[group].get("description")
            raise RequestError(f"{group}={name} ({description}) needs {key}=VALUE.")


def _in_one_case(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with PEFT's name of a tuner in capitals, so that both ways to type it are one run."""
    method, key = config["method"], STANDS_FOR.get(config["method"]["name"])
    return config if key is None else config | {"method": method | {key: str(method[key]).upper()}}


def _check_fair(config: DictConfig, resolved: dict[str, Any]) -> None:
    if resolved["selection"] != "holdout":
        raise RequestError("protocol=fair selects the epoch on held-out rows: leave selection= out.")
    typed = [role for role in config.train.lr if not OmegaConf.is_interpolation(config.train.lr, role)]
    if typed and is_fair(resolved):
        raise RequestError(
            f"train.lr.{typed[0]} is not accepted with protocol=fair, which takes its rates from `frod-bench tune`."
            " Leave it out, or use another protocol."
        )
