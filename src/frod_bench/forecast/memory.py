"""The memory that a run would take, from its configuration alone."""

import json
import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.instantiate import build, build_method
from frod_bench.forecast.cost import row_length
from frod_bench.methods.support.method import Method
from frod_bench.train.memory_model import MemoryUse, at_depth, predict_memory

_GIB = 2**30


def footprint(config: dict[str, Any], accumulate: int | None = None) -> MemoryUse:
    """Return the memory of a resolved configuration whose steps are cut into `accumulate` micro-batches, on a CPU.

    The rows are as long as the longest of their batch is as a rule, see `configs/plan.yaml`. No weights are read.
    A GPU's attention may keep less than a CPU's.
    """
    settings = config["train"]
    rows = math.ceil(settings["batch_size"] / (accumulate or settings["accumulate"]))
    length = None if "image" in config["task"] else math.ceil(row_length(config, rows))
    classes = None if config["text"]["format"] == "instruction" else len(config["task"]["label_names"])
    method, backbone = build_method(config["method"]), json.dumps(config["backbone"], sort_keys=True)
    return _predicted(backbone, method, classes, rows, length, settings["precision"])


def what_would_fit(config: dict[str, Any], memory_bytes: int) -> str:
    """Return a sentence on the peaks of ever smaller micro-batches, to the first that fits.

    Raises RequestError for a backbone whose facts do not tell its shapes.
    """
    accumulate, peaks = config["train"]["accumulate"], []
    while accumulate < config["train"]["batch_size"]:
        accumulate *= 2
        peak = footprint(config, accumulate).peak
        peaks.append(f"{peak / _GIB:.2f} GiB with train.accumulate={accumulate}")
        if peak < memory_bytes:
            break
    return f"Predicted are {', '.join(peaks)}; the device has {memory_bytes / _GIB:.2f}." if peaks else ""


@cache
def _predicted(
    backbone_json: str, method: Method, classes: int | None, rows: int, length: int | None, precision: str
) -> MemoryUse:
    config = json.loads(backbone_json)
    backbone = build(config, "backbones")
    architecture = Architecture.of(config)

    def batch() -> dict[str, Tensor]:
        labels = torch.zeros(rows, dtype=torch.long) if classes else torch.zeros(rows, length, dtype=torch.long)
        if length is None:
            size = backbone.processor().size
            return {"pixel_values": torch.zeros(rows, 3, size, size), "labels": labels}
        ids = torch.full((rows, length), 5)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def predict(layers: int) -> MemoryUse:
        head = backbone.head if classes else []
        return predict_memory(
            lambda: backbone.skeleton(classes, layers), batch, method, backbone.targets, head, precision
        )

    # with fewer blocks a stack of such layers would have no more rows than inputs, which is another decomposition
    low = max(2, *(n // m + 1 for m, n in architecture.target_shapes(config["targets"])))
    return at_depth(predict, architecture.layers, (low, low + 1))
