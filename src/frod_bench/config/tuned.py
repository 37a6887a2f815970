"""The tuned rates of `protocol=fair`: what `frod-bench tune` wrote for one method, backbone, task and set of rows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from frod_bench.config.catalogue import settings
from frod_bench.errors import RequestError
from frod_bench.files import save_text
from frod_bench.reading import parse_json, read_text
from frod_bench.record import identity_of, output_root
from frod_bench.record.identity import tuning_settings
from frod_bench.record.json_types import type_problem

FAIR = "fair"
_SCHEMA = 1
_TYPES = {
    "schema": int,
    "method": str,
    "task": str,
    "settings": {},
    "seeds": list,
    "lr": {str: float},
    "chosen": int,
    "trials": list,
}


@dataclass(frozen=True)
class TunedRates:
    """The result of a search. `lr` holds the chosen rate of every role, `trials` all trials, `chosen` the best's place.

    `settings` are those that the rates belong to, `seeds` those of the trials. `at_end` is "lowest" or "highest" if the
    best multiplier is the first or the last that was tried.
    """

    method: str
    task: str
    settings: dict[str, Any]
    search: str
    metric: str
    seeds: list[int]
    samples: dict[str, int]
    lr: dict[str, float]
    chosen: int
    at_end: str | None
    trials: list[dict[str, Any]] = field(default_factory=list)
    schema: int = _SCHEMA

    def save(self, file: Path) -> None:
        """Write the file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        save_text(file, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")


def is_fair(config: Mapping[str, Any]) -> bool:
    """Return whether a resolved configuration takes tuned rates; a trial, which finds them, does not."""
    return config["protocol"] == FAIR and config["evaluation"] != "never"


def tuned_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved configuration that its tuned rates depend on; see `record.identity`."""
    return tuning_settings(settings(config))


def tuned_file(config: Mapping[str, Any]) -> Path:
    """Return the file of the tuned rates of a resolved configuration."""
    names = (config[key]["name"] for key in ("profile", "backbone", "task"))
    key = identity_of(tuned_settings(config))[:8]
    return output_root().joinpath("tuned", *names, f"{config['method']['name']}-{key}.json")


def read_tuned(file: Path) -> TunedRates:
    """Read a file of tuned rates. Raises RequestError when it is missing or broken."""
    try:
        content = parse_json(read_text(file))
        problem = type_problem(content, _TYPES, "it")
        if not problem:
            return TunedRates(**content)
    except (TypeError, ValueError) as error:
        problem = str(error)
    raise RequestError(f"{file} is not a file of tuned rates ({problem:.200}). Delete it and tune again.")


def with_tuned_rates(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the rates that were tuned for it.

    Raises RequestError, with the command to type, when nothing was tuned for it, and for a seed of the trials.
    """
    file = tuned_file(config)
    if not file.is_file():
        raise RequestError(_nothing_tuned(config, file))
    tuned = read_tuned(file)
    if config["seed"] in tuned.seeds:
        raise RequestError(
            f"seed={config['seed']} is not accepted: the trials of {file} used it, and a fair run needs a fresh one."
        )
    return config | {"train": config["train"] | {"lr": dict(tuned.lr)}}


def _nothing_tuned(config: Mapping[str, Any], file: Path) -> str:
    method, task, profile = (config[key]["name"] for key in ("method", "task", "profile"))
    own = tuned_settings(config)
    command = f"frod-bench tune --profile {profile} --methods {method} --tasks {config['task'].get('choice', task)}"
    others = [read_tuned(other) for other in sorted(file.parent.glob(f"{method}-*.json"))]
    differing = [{key for key in own | o.settings if own.get(key) != o.settings.get(key)} for o in others]
    near = min(differing, key=len, default=None)
    hint = f" The nearest that is tuned differs in {', '.join(sorted(near))}." if near else ""
    return (
        f"protocol=fair takes its rates from a search, and there is none for {method} on {task} with these settings"
        f" ({file}).{hint} Type: {command}, with the"
        " same overrides."
    )
