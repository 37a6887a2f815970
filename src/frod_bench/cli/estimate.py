"""Closed forms of what a run costs, from its configuration alone: multiply-adds and disk.

m x n are the shapes of the linear layers, T the tokens of a micro-batch. Everything else of a transformer is left
out but the products of attention.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from frod_bench.cli.paths import config_dir
from frod_bench.cli.trusted import build_method


@dataclass(frozen=True)
class Cost:
    """What one run costs. `flop` counts a multiply-add as two."""

    flop: float
    disk_bytes: int  # of the adapter that stays
    half: bool  # the products run in half precision
    rows: str  # where the number of rows is from


def cost(config: dict[str, Any], samples: dict[str, int] | None = None) -> Cost:
    """Return the cost of a resolved configuration; `samples` are the rows of an earlier run on the same data."""
    train, evaluation, origin = _rows(config, samples)
    facts, settings = config["backbone"]["facts"], config["train"]
    micro = max(1, settings["batch_size"] // settings["accumulate"])
    length = row_length(config, 1 if settings["group_by_length"] else micro)
    block = [tuple(shape) for shape in facts["linears"].values()]
    dense = facts["layers"] * sum(m * n for m, n in block)
    attention = 2 * facts["layers"] * length * facts["hidden"]
    targets = target_shapes(config["backbone"]) * facts["layers"]
    method = build_method(config["method"])
    extra = method.multiply_adds(targets, micro * length)
    forward = dense + attention
    # multiply-adds a token: forward, backward to the inputs (twice for attention's product of two), and what trains
    step = 2 * dense + 3 * attention + extra + (forward if config["backbone"].get("gradient_checkpointing") else 0)
    per_epoch = train * length * step + evaluation * row_length(config, settings["eval_batch_size"]) * forward
    return Cost(
        flop=2.0 * settings["epochs"] * per_epoch,
        disk_bytes=4 * (facts["parameters"] if "backbone" in method.roles else method.trainable_parameters(targets)),
        half=settings["precision"] != "no",
        rows=origin,
    )


def target_shapes(backbone: dict[str, Any]) -> list[tuple[int, int]]:
    """Return [(m, n), ...] of the layers of a block that a method adapts, matched by suffix as PEFT does."""
    return [
        tuple(shape)
        for name, shape in backbone["facts"]["linears"].items()
        if any(f".{name}".endswith(f".{target}") for target in backbone["targets"])
    ]


def row_length(config: dict[str, Any], rows: int) -> float:
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
