"""`frod-bench OVERRIDE …`: compose a configuration with Hydra and run it."""

import atexit
import gc
import math
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from frod_bench.backbones.availability import require_weights
from frod_bench.config.catalogue import identity
from frod_bench.config.checks import check_config
from frod_bench.config.old_names import current_override
from frod_bench.config.overrides import as_request_error, check_overrides
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import resolve
from frod_bench.console import discard_unprinted, say
from frod_bench.errors import RequestError, RunFailure
from frod_bench.record import RunDirectory, RunRecord, default_directory, redact
from frod_bench.runs.complete import completed_record, say_complete
from frod_bench.train.tracker import require_tracker


def main(argv: list[str]) -> int:
    """Run every job of the overrides. Raises RequestError or RunFailure.

    A sweep reports a failed job at once and continues with the next.
    """
    from frod_bench.cli import COMMANDS  # to suggest a command for a misspelt word

    argv = list(map(current_override, argv))
    check_overrides(argv, list(COMMANDS))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions through: we turn them into one sentence
    register_resolvers()
    overrides = [word for word in argv if "=" in word and not word.startswith("-")]
    flags = [word for word in argv if word not in overrides]
    failures: list[tuple[str | None, RequestError | RunFailure]] = []
    home = os.getpid()

    def job(config: DictConfig) -> float:
        register_resolvers()  # a launcher's worker process has not done it yet
        try:
            return _run(config)
        except (RequestError, RunFailure) as error:
            told = type(error)(redact(str(error)))  # the traceback of `error` would keep the model in memory
            if (overrides := _sweep_overrides()) is not None:
                say(redact(f"frod-bench: {overrides}: {told}"), sys.stderr)
            if os.getpid() != home:  # a launcher's worker process can report in no other way
                raise told from None
            failures.append((overrides, told))
            return math.nan  # counts as a failed trial of a search
        finally:
            discard_unprinted()

    try:
        if flags or any(word.lstrip("+~").startswith(("hydra", "sweep=")) for word in overrides):
            sys.argv = [sys.argv[0], *flags, *overrides]  # Hydra's parser accepts no flags between overrides
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(job)()
        else:
            job(_composed(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise as_request_error(error, argv) from error
    except OSError as error:  # not from a job: those are RunFailures
        raise RequestError(
            f"{error.filename} cannot be written ({error.strerror}). Give another folder for all runs with"
            " FROD_BENCH_OUT=DIR before the command."
        ) from error
    _raise_worst(failures)
    return 0


def _composed(overrides: list[str]) -> DictConfig:
    """Return the configuration of a single run; `hydra.main` would compose it twice, to find out that it is one."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return hydra.compose("config", overrides)


def _run(config: DictConfig) -> float:
    try:
        resolved = resolve(config)
    except OmegaConfBaseException as error:
        raise as_request_error(error, []) from error
    check_config(resolved)
    if (record := _complete_already(resolved)) is not None:
        return record.objective
    require_weights(resolved["backbone"])
    require_tracker(resolved)
    _import_what_computes()
    from frod_bench.forecast.advised_run import run_advised  # after what needs no torch, as a refusal

    return run_advised(resolved)


@cache
def _import_what_computes() -> None:
    """Import torch and what needs it, with garbage collection off, which saves a quarter of the time.

    Later collections skip these objects.
    """
    gc.disable()
    try:
        import frod_bench.forecast.advised_run  # noqa: F401
    finally:
        gc.enable()
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries report what is left at exit as leaks


def _complete_already(config: dict[str, Any]) -> RunRecord | None:
    """Return the record of a complete run, and say so; None when anything is left to do."""
    try:
        name = identity(config)
    except ValueError:  # NaN or infinity, which the run refuses by key
        return None
    directory = Path(config["out"] or default_directory(config, name))
    if config["force"] or RunDirectory(directory).checkpoints.exists():
        return None
    if (record := completed_record(directory, name)) is not None and os.environ.get("RANK", "0") == "0":
        say_complete(config, directory)
    return record


def _sweep_overrides() -> str | None:
    """Return the overrides of this job in a sweep; None outside of one."""
    if not HydraConfig.initialized():
        return None
    config = HydraConfig.get()
    return (" ".join(config.overrides.task) or "the defaults") if config.mode == RunMode.MULTIRUN else None


def _raise_worst(failures: list[tuple[str | None, RequestError | RunFailure]]) -> None:
    for overrides, error in failures:
        if overrides is None:
            raise error
    if failures:
        kind = RunFailure if any(isinstance(error, RunFailure) for _, error in failures) else RequestError
        raise kind(f"{len(failures)} of the sweep's runs ended without a result; the reasons are above.")
