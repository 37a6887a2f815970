"""What a run finds in a user's own model: it is printed before training and kept in the run's configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frod_bench.backbones.base import Backbone
from frod_bench.backbones.model_files import model_config
from frod_bench.backbones.own import OwnModel
from frod_bench.console import say


def with_parts(config: dict[str, Any], backbone: Backbone) -> dict[str, Any]:
    """Return the configuration with the target layers and the head of a user's own model; others stay as they are.

    Raises RequestError where the model leaves them open.
    """
    if not isinstance(backbone, OwnModel):
        return config
    return config | {"backbone": config["backbone"] | {"found": backbone.parts._asdict()}}


def say_parts(config: Mapping[str, Any], backbone: Backbone) -> None:
    """Print the name of a user's own model, its target layers and its head, and which code of its own is not run."""
    if not isinstance(backbone, OwnModel):
        return
    if "auto_map" in (content := model_config(backbone.directory)):
        say(f"note: the code that config.json names is not run; transformers' own {content['model_type']} is used")
    settings = config["backbone"]
    found = settings["found"]
    model = settings["id"] or Path(settings["path"]).name
    targets, head = (", ".join(found[key]) for key in ("targets", "head"))
    say(f"{model}: targets: {targets} ({found['layers']} layers); head: {head}")
