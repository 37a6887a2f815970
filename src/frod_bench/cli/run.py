"""`frod-bench OVERRIDE …`: compose a configuration with Hydra and run it. The only place that knows Hydra."""

import os
import re
import sys

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from frod_bench.cli.paths import config_dir
from frod_bench.cli.recipe import check_protocol, register_resolvers
from frod_bench.errors import RequestError, RunFailure, nearest

_FLAGS = ("-", "+", "~")


def main(argv: list[str]) -> int:
    """Run every job that the overrides ask for. Raises RequestError or RunFailure."""
    from frod_bench.cli import COMMANDS  # the sub-commands are part of the message below

    if "=" not in argv[0] and not argv[0].startswith(_FLAGS):
        raise RequestError(
            f"{argv[0]!r} is no command and no override of the form key=value. "
            + nearest(argv[0], [*COMMANDS, "method=", "task="])
        )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us whole, and we turn them into one sentence
    register_resolvers()
    sys.argv = [sys.argv[0], *argv]
    decorate = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")
    try:
        decorate(_job)()
    except MissingConfigException as error:
        raise _unknown_choice(error) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise _composition_error(error, argv) from error
    return 0


def _job(config: DictConfig) -> None:
    from frod_bench.cli.job import (
        run_job,
    )  # torch and transformers take seconds; --help and --cfg need neither

    try:
        run_job(plain(config))
    except (RequestError, RunFailure) as error:
        if hydra.core.hydra_config.HydraConfig.get().mode == hydra.types.RunMode.MULTIRUN:
            overrides = " ".join(hydra.core.hydra_config.HydraConfig.get().overrides.task)
            print(f"frod-bench: {overrides}: {error}", file=sys.stderr, flush=True)
        raise


def plain(config: DictConfig) -> dict:
    """Return the configuration with every interpolation resolved and without the recipe tables."""
    check_protocol(config.protocol)
    try:
        resolved = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        cause = error.__cause__ or error.__context__
        raise (cause if isinstance(cause, RequestError) else RequestError(str(error).splitlines()[0])) from error
    resolved.pop("recipe")
    return resolved


def _unknown_choice(error: MissingConfigException) -> RequestError:
    group, _, name = (error.missing_cfg_file or "").partition("/")
    return RequestError(f"{group}={name} is not known. {nearest(name, choices(group))}")


def choices(group: str) -> list[str]:
    """Return what can be chosen in a configuration group, e.g. glue/rte in `task`."""
    folder = config_dir() / group
    files = [file.relative_to(folder).with_suffix("") for file in sorted(folder.rglob("*.yaml"))]
    return [file.as_posix() for file in files if not file.name.startswith("_") and file.parts[0] != "default"]


def _composition_error(error: Exception, argv: list[str]) -> RequestError:
    if isinstance(error.__cause__, RequestError):
        return error.__cause__
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if unknown := re.search(r"Could not override '([^']+)'", text):
        return RequestError(
            f"There is no key {unknown[1]!r} in the configuration. " + nearest(unknown[1], _known_keys(argv))
        )
    if unknown := re.search(r"Could not override '?([\w@/]+)'?\.? ?No match in the defaults list", text):
        return RequestError(f"There is no choice {unknown[1]!r}. Accepted: backbone, method, profile, task.")
    return RequestError(text)


def _known_keys(argv: list[str]) -> list[str]:
    """Return all keys of the configuration that the choices among the overrides compose to."""
    picked = [a for a in argv if a.split("=")[0] in ("backbone", "method", "profile", "task") and "," not in a]
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            return _flatten(hydra.compose("config", picked))
    except Exception:  # only the hint is lost
        return []


def _flatten(node: DictConfig, prefix: str = "") -> list[str]:
    keys = []
    for key in node:
        if key == "recipe" and not prefix:
            continue
        child = node._get_node(key)
        keys += _flatten(child, f"{prefix}{key}.") if isinstance(child, DictConfig) else [f"{prefix}{key}"]
    return keys
