"""Closed forms of what a run costs, from its configuration alone: multiply-adds and disk.

m x n are the shapes of the linear layers, T the tokens of a micro-batch. Everything else of a transformer is left
out but the products of attention.
"""

from dataclasses import dataclass
from typing import Any

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.instantiate import build, build_method
from frod_bench.forecast.facts import plan_facts
from frod_bench.tasks.selection import rows_left
from frod_bench.tasks.sources import open_source

_OFFICIAL = "the official splits"


@dataclass(frozen=True)
class Cost:
    """What one run costs. `flop` counts a multiply-add as two."""

    flop: float
    disk_bytes: int  # of the adapter that stays
    half: bool  # the products run in half precision


def cost(config: dict[str, Any], samples: dict[str, int]) -> Cost:
    """Return the cost of a resolved configuration on `samples`: its rows by `train` and by what is evaluated."""
    backbone, settings = config["backbone"], config["train"]
    architecture, method = Architecture.of(backbone), build_method(config["method"])
    micro = max(1, settings["batch_size"] // settings["accumulate"])
    padded = settings["batch_size"] if method.couples_rows else micro  # rows that are as long as the longest of them
    length = row_length(config, 1 if settings["group_by_length"] else padded)
    dense = architecture.layers * sum(m * n for m, n in architecture.linears().values())
    attention = 2 * architecture.layers * length * architecture.hidden
    targets = architecture.target_shapes(backbone["targets"]) * architecture.layers
    extra = method.multiply_adds(targets, micro * length)
    forward = dense + attention
    # multiply-adds a token: forward, backward to the inputs (twice for attention's product of two), and what trains
    step = 2 * dense + 3 * attention + extra
    step += forward * bool(backbone.get("gradient_checkpointing"))  # computed again
    step += forward * (method.couples_rows and settings["accumulate"] > 1)  # a survey of the step before it
    judged = sum(rows for split, rows in samples.items() if split != "train")
    longest = config["text"]["eval_max_length"] or config["text"]["max_length"]
    evaluated = judged * row_length(config, settings["eval_batch_size"], longest)
    per_epoch = samples["train"] * length * step + evaluated * forward
    return Cost(
        flop=2.0 * settings["epochs"] * per_epoch,
        disk_bytes=4
        * (backbone["facts"]["parameters"] if "backbone" in method.roles else method.trainable_parameters(targets)),
        half=settings["precision"] != "no",
    )


def row_length(config: dict[str, Any], rows: int, longest: int | None = None) -> float:
    """Return the tokens of a row in a batch of `rows`, padded to its longest and cut to `longest`, text.max_length."""
    if (patches := Architecture.of(config["backbone"]).tokens) is not None:
        return patches
    counts = plan_facts()["tokens"].get(config["task"]["name"])
    longest = longest or config["text"]["max_length"]
    if counts is None:
        return longest
    mean, *quantiles = counts
    padded = next((q for q, most in zip(quantiles, (4, 16), strict=False) if rows <= most), quantiles[-1])
    return min(mean if rows == 1 else padded, longest)


def count_rows(config: dict[str, Any]) -> tuple[dict[str, int], str]:
    """Return how many rows a run would train on and be judged by, and where that is from.

    They are called `train` and `eval`, with selection=holdout also `holdout`, off by at most a row a label. Raises
    RequestError when the source has none.
    """
    task, data = config["task"], config["data"]
    source = open_source(data["source"], data["root"], data["max_row_bytes"])
    counts, origin = build(task, "tasks").count(source, config["text"]["format"]), f"the {data['source']} data"
    if None in counts:
        counts, origin = [task["rows"][split] for split in (task["train_split"], task["eval_splits"][0])], _OFFICIAL
    train, evaluation = rows_left(counts[0], task.get("held_back")), counts[1]
    train, evaluation = min(train, data["max_train"] or train), min(evaluation, data["max_eval"] or evaluation)
    if config["selection"] != "holdout":
        return {"train": train, "eval": evaluation}, origin
    held = train // 10
    return {"train": train - held, "eval": evaluation, "holdout": held}, origin
