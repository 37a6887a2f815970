"""The configuration of one run on several tasks together, made from those of a run on each alone."""

from collections.abc import Sequence
from math import prod
from typing import Any

from frod_bench.config.catalogue import settings
from frod_bench.errors import RequestError
from frod_bench.tasks.joint_names import JOINT, MEAN_SCORE

_TASK = "task"


def joint_config(alone: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the configuration of a run of one method and seed on all tasks of the resolved configurations `alone`.

    It does not depend on their order. The method's options are those of the first task by name, and a learning rate is
    the geometric mean of the tasks' own. Raises RequestError where a task is trained by other values, such as epochs.
    """
    ordered = sorted(alone, key=lambda config: config[_TASK]["name"])
    first = ordered[0]
    tasks = [config[_TASK] for config in ordered]
    suite = tasks[0]["suite"]
    names = [task["name"].rpartition("/")[2] for task in tasks]
    for section in ("train", "text"):
        for key in sorted(first[section].keys() - {"lr"}):
            _require_same(f"{section}.{key}", [config[section][key] for config in ordered], names)
    rates = [config["train"]["lr"] for config in ordered]
    train = first["train"] | {"lr": {role: _mean([own[role] for own in rates]) for role in rates[0]}}
    joint = {
        "_target_": "frod_bench.tasks.joint.JointTask",
        "name": f"{suite}/joint-{'-'.join(names)}",
        "suite": suite,
        "metrics": [MEAN_SCORE],
        "together": tasks,
        "parts": {task["name"]: _settings_of_task(config) for task, config in zip(tasks, ordered, strict=True)},
        "train_split": "train",
        "eval_splits": [JOINT],
        "rows": {"train": _official(tasks, "train_split"), JOINT: _official(tasks, "eval_splits")},
    }
    if "image" in tasks[0]:
        joint["image"] = tasks[0]["image"]
    backbone = first["backbone"]
    if backbone.get("class_names") is not None:
        backbone = backbone | {"class_names": [n for config in ordered for n in config["backbone"]["class_names"]]}
    return first | {_TASK: joint, "train": train, "backbone": backbone}


def _require_same(key: str, values: Sequence[Any], tasks: Sequence[str]) -> None:
    if any(value != values[0] for value in values):
        own = ", ".join(f"{value} for {task}" for value, task in zip(values, tasks, strict=True))
        raise RequestError(f"One run on all tasks takes one {key}, and theirs differ ({own}). Type {key}=VALUE.")


def _mean(rates: Sequence[float]) -> float:
    """Return the geometric mean, to four digits as tuned rates have them; equal rates as they are."""
    return rates[0] if len(set(rates)) == 1 else float(f"{prod(rates) ** (1 / len(rates)):.4g}")


def _settings_of_task(config: dict[str, Any]) -> dict[str, Any]:
    own = settings(config)
    return {key.removeprefix("task."): value for key, value in own.items() if key.startswith("task.")}


def _official(tasks: Sequence[dict[str, Any]], split: str) -> int:
    """Return how many rows the official splits have together; `eval_splits` is the first of several."""
    names = [task[split] if isinstance(task[split], str) else task[split][0] for task in tasks]
    return sum(task["rows"][name] for task, name in zip(tasks, names, strict=True))
