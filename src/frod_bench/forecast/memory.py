"""Predict the memory of a run from its configuration alone."""

import json
import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.earlier import to_make_first
from frod_bench.config.instantiate import build, build_method
from frod_bench.forecast.cost import row_length
from frod_bench.methods.support.method import Method
from frod_bench.tasks.base import FindsClasses, Task
from frod_bench.tasks.sources import open_source
from frod_bench.train.memory_model import MemoryUse, at_depth, predict_memory

_GIB = 2**30


def footprint(config: dict[str, Any], micro_batches: int | None = None) -> MemoryUse:
    """Return the predicted memory of a resolved configuration on a CPU, with `micro_batches` per step.

    Rows have the typical length of the longest of their batch, see `configs/plan.yaml`. No weights are read. On a GPU
    attention may keep less.
    """
    settings = config["train"]
    micro_batches = micro_batches or settings["gradient_accumulation_steps"]
    rows = math.ceil(settings["batch_size"] / micro_batches)
    length = None if "image" in config["task"] else math.ceil(row_length(config, rows))
    classes = _classes(config)
    # a run that is to be made first is trained in the same shapes, and can be built before there is a mask of it
    method = build_method((to_make_first(config) or config)["method"])
    backbone = json.dumps(config["backbone"], sort_keys=True)
    return _predicted(backbone, method, classes, rows, length, settings["precision"], micro_batches)


def what_would_fit(config: dict[str, Any], memory_bytes: int) -> str:
    """Return a sentence with the predicted peaks of ever smaller micro-batches, up to the first that fits.

    Raises RequestError for a backbone without facts.architecture.
    """
    micro_batches, peaks = config["train"]["gradient_accumulation_steps"], []
    while micro_batches < config["train"]["batch_size"]:
        micro_batches *= 2
        peak = footprint(config, micro_batches).peak
        peaks.append(f"{peak / _GIB:.2f} GiB with train.gradient_accumulation_steps={micro_batches}")
        if peak < memory_bytes:
            break
    return f"Predicted are {', '.join(peaks)}; the device has {memory_bytes / _GIB:.2f}." if peaks else ""


def _classes(config: dict[str, Any]) -> int | None:
    """Return the size of the head, read from the rows where only they tell it; None for a language model."""
    task: Task = build(config["task"], "tasks")
    if isinstance(task, FindsClasses):
        data = config["data"]
        task = task.with_found(task.find(open_source(data["source"], data["root"], data["max_row_bytes"])))
    names = task.classes(config["text"]["format"])
    return None if names is None else len(names)


@cache
def _predicted(
    backbone_json: str,
    method: Method,
    classes: int | None,
    rows: int,
    length: int | None,
    precision: str,
    passes: int,
) -> MemoryUse:
    config = json.loads(backbone_json)
    backbone = build(config, "backbones")
    architecture = Architecture.of(config)
    size = architecture.values["image_size"] if length is None else 0

    def batch() -> dict[str, Tensor]:
        if length is None:
            return {"pixel_values": torch.zeros(rows, 3, size, size), "labels": torch.zeros(rows, dtype=torch.long)}
        ids = torch.full((rows, length), 5)
        labels = torch.zeros(rows, dtype=torch.long) if classes else torch.zeros_like(ids)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def predict(layers: int) -> MemoryUse:
        head = backbone.head if classes else []
        return predict_memory(
            lambda: backbone.skeleton(classes, layers), batch, method, backbone.targets, head, precision, passes=passes
        )

    # with fewer blocks a stack of layers has no more rows than inputs, and is decomposed in another way
    low = max(2, *(n // m + 1 for m, n in architecture.target_shapes(config["targets"])))
    return at_depth(predict, architecture.layers, (low, low + 1))
