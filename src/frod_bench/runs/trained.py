"""A complete run, made again: its model with plain layers, its rows, and scores of a model on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from frod_bench.backbones.base import Backbone
from frod_bench.config.checks import train_settings
from frod_bench.config.instantiate import build, build_method
from frod_bench.errors import RequestError
from frod_bench.methods import load_adapter
from frod_bench.methods.support.adapted import Adapted
from frod_bench.module_names import in_matching_module
from frod_bench.record import RunDirectory, RunRecord, weights_of
from frod_bench.runs.base_model import base_model
from frod_bench.runs.components import Components, load_data, make_components
from frod_bench.runs.run_files import adapter_folder, read_run_config
from frod_bench.tasks.base import FindsClasses, Task, TaskData
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.loading import Loader
from frod_bench.train.prediction import Predictions, gather_predictions, predict
from frod_bench.train.settings import TrainSettings
from frod_bench.train.trainer import HOLDOUT


@dataclass(frozen=True)
class TrainedRun:
    """A complete run in `folder`. Raises RequestError, from each property, for one that cannot be made again."""

    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration; its files have the digests in the record."""
        return read_run_config(self.folder)

    @cached_property
    def record(self) -> RunRecord:
        """The record of the complete run."""
        record = RunDirectory(self.folder).read_record()
        if record.status != "completed":
            raise RequestError(f"{self.folder} is not complete. Resume it with the command that started it.")
        return record

    @property
    def base_weights(self) -> dict[str, Any]:
        """What the weights before training are; those of a copy in another folder are the same."""
        return weights_of(self.record.initialisation.get("backbone"))

    @property
    def setting(self) -> dict[str, str]:
        """What results that are compared have in common."""
        names = ("profile", "protocol", "backbone", "selection")
        return {name: getattr(self.record, name) for name in names} | {"data": self.record.data["source"]}

    @cached_property
    def components(self) -> Components:
        """The objects that the configuration describes, its source of rows among them."""
        return make_components(self.config)

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, whether the rows are there or not."""
        return build(self.config["backbone"], "backbones")

    @cached_property
    def task(self) -> Task:
        """The task, whether its rows are there or not."""
        return recorded_task(self.config, self.record)

    @cached_property
    def settings(self) -> TrainSettings:
        """The training settings."""
        return train_settings(self.config, build_method(self.config["method"]).roles)

    @cached_property
    def data(self) -> TaskData:
        """The rows of the run."""
        return load_data(self.config, self.components)

    @cached_property
    def accelerator(self) -> Accelerator:
        """The device and the precision of the run."""
        return make_accelerator(self.settings)

    @cached_property
    def classes(self) -> list[str] | None:
        """The names of the head's classes; None for a language model, which has no head of its own."""
        return self.task.classes(self.config["text"]["format"])

    @property
    def head(self) -> list[str]:
        """The names of the head's modules; none for a language model."""
        return [] if self.classes is None else self.backbone.head

    def base(self) -> nn.Module:
        """Return the model before training."""
        classes = None if self.classes is None else len(self.classes)
        return base_model(self.backbone, self.task, classes, self.config["text"]["format"], self.config["seed"])

    def adapted(self) -> Adapted:
        """Return the trained model with its adapter."""
        return load_adapter(self.base(), adapter_folder(self.folder))

    def body(self, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield the name and the tensor of every weight outside the head."""
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and not in_matching_module(name, self.head):
                yield name, tensor

    def head_state(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors of the head by name."""
        return {name: t for name, t in model.state_dict().items() if in_matching_module(name, self.head)}

    def score(self, model: nn.Module, split: str | None = None) -> tuple[dict[str, float], Predictions]:
        """Return the metrics of a model on a split, by default the reported one, and its prediction of every row.

        `holdout` is the split of the training rows that the run held out.
        """
        data, split = self.data, split or self.data.reported
        if (data.holdout if split == HOLDOUT else data.evaluation.get(split)) is None:
            raise RequestError(f"{self.folder} has no {split} rows to score.")
        return score_rows(model, data, split, self.accelerator, self.settings.eval_batch_size)


def recorded_task(config: dict[str, Any], record: RunRecord | None) -> Task:
    """Return the task of a run with the classes that it found in its rows."""
    task: Task = build(config["task"], "tasks")
    return task.with_found(record.data if record else {}) if isinstance(task, FindsClasses) else task


@torch.no_grad()
def score_rows(
    model: nn.Module, data: TaskData, split: str, accelerator: Accelerator, batch_size: int
) -> tuple[dict[str, float], Predictions]:
    """Return the metrics of a model on the rows of a split, or `holdout`, and its prediction of every row."""
    rows = data.holdout if split == HOLDOUT else data.evaluation[split]
    found: Predictions = []
    load = Loader(accelerator, data.collate)
    model.to(accelerator.device).eval()
    for _ in predict(rows, found, batch_size, model, data.predict, load, accelerator):
        pass
    found = gather_predictions(found, accelerator)
    named = data.reported if split == HOLDOUT else split
    return data.measure(named, [row[2] for row in found], [row[1] for row in found]), found
