"""Closed forms of what a run costs, from its configuration alone: multiply-adds, memory, disk.

m x n are the shapes of the linear layers, T the tokens of a micro-batch. Everything else of a transformer is left
out but the products of attention.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from frod_bench.cli.paths import config_dir
from frod_bench.methods import make_method

_ABOUT = ("name", "description", "citation")
_STATES = 4  # what trains is kept as value, gradient and AdamW's two moments
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Cost:
    """What one run costs. `flop` counts a multiply-add as two."""

    flop: float
    memory_bytes: int
    disk_bytes: int  # of the adapter that stays
    half: bool  # the products run in half precision
    rows: str  # where the number of rows is from


def cost(config: dict[str, Any], samples: dict[str, int] | None = None) -> Cost:
    """Return the cost of a resolved configuration; `samples` are the rows of an earlier run on the same data."""
    train, evaluation, origin = _rows(config, samples)
    facts, settings = config["backbone"]["facts"], config["train"]
    micro = max(1, settings["batch_size"] // settings["accumulate"])
    length = _length(config, 1 if settings["group_by_length"] else micro)
    block = [tuple(shape) for shape in facts["linears"].values()]
    dense = facts["layers"] * sum(m * n for m, n in block)
    attention = 2 * facts["layers"] * length * facts["hidden"]
    targets = _targets(config)
    method = make_method(config["method"]["name"], **_options(config))
    trainable = method.trainable_parameters(targets)
    tokens = micro * length
    extra = _EXTRA.get(method.name, _low_rank)(targets, tokens, trainable)
    forward = dense + attention
    # multiply-adds a token: forward, backward to the inputs (twice for attention's product of two), and what trains
    step = 2 * dense + 3 * attention + extra + (forward if config["backbone"].get("gradient_checkpointing") else 0)
    per_epoch = train * length * step + evaluation * _length(config, settings["eval_batch_size"]) * forward
    return Cost(
        flop=2.0 * settings["epochs"] * per_epoch,
        memory_bytes=memory_bytes(config, targets, trainable, tokens),
        disk_bytes=4 * (facts["parameters"] if method.name == "full_ft" else trainable),
        half=settings["precision"] != "no",
        rows=origin,
    )


def memory_bytes(config: dict[str, Any], targets: list[tuple[int, int]], trainable: int, tokens: int) -> int:
    """Return the peak memory of training: weights, what a method keeps beside them, what trains, activations.

    An upper estimate for a model of linear layers: inputs and outputs of each are kept for the backward pass, of one
    block at a time with gradient checkpointing.
    """
    facts, backbone, name = config["backbone"]["facts"], config["backbone"], config["method"]["name"]
    width = _BYTES[backbone.get("dtype") or "float32"]
    weights = facts["parameters"] * width
    trained = (facts["parameters"] if name == "full_ft" else trainable) * 4 * _STATES
    frozen = 0 if name == "full_ft" else weights
    beside = _BESIDE.get(name, lambda shapes: 0)(targets) * width
    active = 2 if config["train"]["precision"] != "no" else 4
    block = sum(m + n for m, n in facts["linears"].values())
    if backbone.get("gradient_checkpointing"):
        activations = tokens * (block + facts["layers"] * facts["hidden"])
    else:
        activations = tokens * block * facts["layers"]
    return frozen + trained + beside + activations * active


def _low_rank(targets: list[tuple[int, int]], tokens: int, trainable: int) -> float:
    """A pair of thin matrices: each forward, and twice backward."""
    return 3 * trainable


def _full(targets: list[tuple[int, int]], tokens: int, trainable: int) -> float:
    """The gradient of every weight."""
    return trainable


def _frod(targets: list[tuple[int, int]], tokens: int, trainable: int) -> float:
    """The cheaper of the merged and the factored way, above a frozen layer's 2 m n."""
    merged = ((m * n + 2 * m * n * n / tokens) for m, n in targets)
    factored = (2 * n * n for _, n in targets)
    return sum(map(min, merged, factored))


# multiply-adds a token above a frozen model's; a method that is not here counts as a low-rank one
_EXTRA: dict[str, Callable[[list[tuple[int, int]], int, int], float]] = {"full_ft": _full, "frod": _frod}
# values kept beside the weights: FRoD's U of each layer and V of each shape
_BESIDE: dict[str, Callable[[list[tuple[int, int]]], int]] = {
    "frod": lambda shapes: sum(m * n for m, n in shapes) + sum(n * n for _, n in set(shapes))
}


def _targets(config: dict[str, Any]) -> list[tuple[int, int]]:
    """Return [(m, n), ...] of the layers that a method adapts, matched by suffix as PEFT does."""
    backbone = config["backbone"]
    found = [
        tuple(shape)
        for name, shape in backbone["facts"]["linears"].items()
        if any(f".{name}".endswith(f".{target}") for target in backbone["targets"])
    ]
    return found * backbone["facts"]["layers"]


def _options(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config["method"].items() if key not in _ABOUT and value is not None}


def _length(config: dict[str, Any], rows: int) -> float:
    """Return the tokens of a row in a batch of `rows`, padded to its longest."""
    if fixed := config["backbone"]["facts"].get("tokens"):
        return fixed
    counts = plan_facts()["tokens"].get(config["task"]["name"])
    longest = config["text"]["max_length"]
    if counts is None:
        return longest
    mean, *quantiles = counts
    padded = next((q for q, most in zip(quantiles, (4, 16), strict=False) if rows <= most), quantiles[-1])
    return min(mean if rows == 1 else padded, longest)


def _rows(config: dict[str, Any], samples: dict[str, int] | None) -> tuple[int, int, str]:
    """Return the rows that train and that evaluate, and where these numbers are from."""
    task, data = config["task"], config["data"]
    splits = [task["train_split"], task["eval_splits"][0]]
    if samples is not None:
        return samples["train"], samples["eval"], "an earlier run"
    counts, origin = [task["rows"][split] for split in splits], "the official splits"
    if data["source"] == "local" and data["root"] is not None:
        folder = Path(data["root"]) / task["repo"] / task["config"]
        files = [folder / f"{split}.parquet" for split in splits]
        if all(file.is_file() for file in files):
            counts, origin = [pq.read_metadata(file).num_rows for file in files], "the local files"
    limits = (data["max_train"], data["max_eval"])
    return *(min(n, limit or n) for n, limit in zip(counts, limits, strict=True)), origin


@cache
def plan_facts() -> dict[str, Any]:
    """Return `configs/plan.yaml`: data sheets, tokens of a row, the assumed utilisation."""
    return yaml.safe_load((config_dir() / "plan.yaml").read_text(encoding="utf-8"))
