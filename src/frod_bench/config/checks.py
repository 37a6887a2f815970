"""Checks of a resolved configuration before anything is built from it."""

import math
import re
from typing import Any

from frod_bench.backbones.model_files import AUTO
from frod_bench.config.own_model import is_own
from frod_bench.errors import RequestError
from frod_bench.record import redact
from frod_bench.tasks.selection import check_limit, check_part
from frod_bench.train.settings import TrainSettings
from frod_bench.train.tracker import check_tracker

_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")


def check_config(config: dict[str, Any]) -> None:
    """Raise RequestError for a value that no run accepts, as far as that shows without the method and the data."""
    train_settings(config, tuple(config["train"]["lr"]))
    _check_leaves(config)
    check_no_secret(config)


def train_settings(config: dict[str, Any], roles: tuple[str, ...]) -> TrainSettings:
    """Return the training settings of a configuration; those of older runs lack keys, which have their defaults."""
    selected_by = {key: config[key] for key in ("selection", "evaluation") if key in config}
    return TrainSettings(**config["train"], **selected_by, roles=roles)


def _check_leaves(config: dict[str, Any]) -> None:
    seed = config["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise RequestError(f"seed={seed} is not accepted: a whole number from 0 to {2**31 - 1}.")
    if not isinstance(config["force"], bool):
        raise RequestError(f"force={config['force']} is not accepted: true or false.")
    every_s = config["checkpoint"]["every_s"]
    if every_s is not None and (isinstance(every_s, bool) or not isinstance(every_s, int | float) or every_s < 0):
        raise RequestError(f"checkpoint.every_s={every_s} is not accepted: seconds, 0 or more, or null.")
    own = config["task"].get("source")
    if own and (source := config["data"]["source"]) != own:
        raise RequestError(
            f"data.source={source} is not accepted: task={config['task']['choice']} reads its own files."
        )
    if not own and config["data"]["source"] == "own":
        raise RequestError("data.source=own is for task=own/text and task=own/images.")
    for key in ("max_train", "max_eval"):
        check_limit(config["data"][key], f"data.{key}")
    for key in ("holdout", "more_eval"):
        check_part(config["data"].get(key), f"data.{key}")
    if config["data"].get("holdout") is not None and config["selection"] != "holdout":
        raise RequestError("data.holdout holds rows out to select an epoch: add selection=holdout.")
    for key in ("max_length", "eval_max_length"):
        length = config["text"].get(key)
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise RequestError(f"text.{key}={length} is not accepted: a whole number of tokens.")
    check_tracker(config)
    directories = {"out": config["out"], "data.root": config["data"]["root"]}
    for key, value in (directories | {"backbone.path": config["backbone"].get("path")}).items():
        if not isinstance(value, str | None) or "\0" in (value or ""):
            raise RequestError(f"{key}={value} is not accepted: a directory. Type {key}=./{value} for that name.")
    for key in ("profile", "backbone", "task", "method"):
        name = config[key]["name"]
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RequestError(f"{key}.name={name} is not accepted: it becomes a part of a path, as in glue/rte.")
    if not isinstance(metrics := config["task"]["metrics"], list):
        raise RequestError(f"task.metrics={metrics} is not accepted: a list of names as in [accuracy,f1].")
    for key in ("targets", "head"):
        names = config["backbone"][key]
        if names == AUTO and is_own(config["backbone"]):
            continue
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RequestError(f"backbone.{key}={names} is not accepted: a list of module names as in [query,value].")


def check_no_secret(config: dict[str, Any], prefix: str = "") -> None:
    """Raise RequestError for a secret of this machine anywhere in the configuration, which is written to disk."""
    for key, value in config.items():
        if isinstance(value, dict):
            check_no_secret(value, f"{prefix}{key}.")
        elif redact(text := str(value)) != text:
            raise RequestError(f"{prefix}{key} holds a secret, and the configuration is written down. Leave it out.")


def check_finite(config: dict[str, Any], prefix: str = "") -> None:
    """Raise RequestError for NaN or infinity anywhere in the configuration, naming the key."""
    for key, value in config.items():
        if isinstance(value, dict):
            check_finite(value, f"{prefix}{key}.")
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise RequestError(f"{prefix}{key}={number} is not accepted: a finite number.")
