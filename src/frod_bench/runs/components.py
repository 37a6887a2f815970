"""The objects that a resolved configuration describes, and the rows that it asks for."""

from dataclasses import dataclass
from typing import Any

from frod_bench.backbones.base import Backbone
from frod_bench.config.checks import check_config, check_finite, train_settings
from frod_bench.config.instantiate import build, build_method
from frod_bench.methods.support.method import Method
from frod_bench.tasks.base import RowRequest, Source, Task, TaskData
from frod_bench.tasks.sources import open_source
from frod_bench.train.settings import TrainSettings


@dataclass(frozen=True)
class Components:
    """The objects that a configuration describes; creating them reads no weights and no rows."""

    method: Method
    settings: TrainSettings
    source: Source
    backbone: Backbone
    task: Task


def make_components(config: dict[str, Any]) -> Components:
    """Create the components of a run. Raises RequestError for an option that is not accepted."""
    check_config(config)
    method = build_method(config["method"])
    settings = train_settings(config, method.roles)
    source = open_source(config["data"]["source"], config["data"]["root"], config["data"]["max_row_bytes"])
    components = Components(
        method, settings, source, build(config["backbone"], "backbones"), build(config["task"], "tasks")
    )
    check_finite(config)
    return components


def load_data(config: dict[str, Any], components: Components) -> TaskData:
    """Return the data that the configuration asks for, encoded for its backbone."""
    request = row_request(config, components.settings)
    return components.task.load(components.source, components.backbone.processor(), request)


def row_request(config: dict[str, Any], settings: TrainSettings) -> RowRequest:
    """Return which rows the configuration asks for, and in which form."""
    text, data = config["text"], config["data"]
    return RowRequest(
        max_train=data["max_train"],
        max_eval=data["max_eval"],
        more_eval=data.get("more_eval"),
        holdout=(data.get("holdout") or True) if settings.selection == "holdout" else False,
        evaluation=settings.evaluation != "never",
        text=text["format"],
        max_length=text["max_length"],
        eval_max_length=text.get("eval_max_length"),  # absent in older runs, which are read again for their landscape
    )
