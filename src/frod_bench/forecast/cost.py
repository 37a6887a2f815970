"""What a run costs, from its configuration alone: floating-point operations and disk.

The formulas are those of `ops.cost` and of `Method.multiply_adds`; this file adds them up over the layers of a
backbone and the rows of a run. Left out are the embeddings, the head and all elementwise work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from frod_bench.backbones.architecture import Architecture
from frod_bench.config.instantiate import build, build_method
from frod_bench.forecast.facts import plan_facts
from frod_bench.ops.cost import attention_forward, linear_step
from frod_bench.tasks.selection import rows_left
from frod_bench.tasks.sources import open_source

_OFFICIAL = "the official splits"


@dataclass(frozen=True)
class Cost:
    """What one run costs. `flop` counts a multiply-add as two."""

    flop: float
    disk_bytes: int  # of the adapter that is kept
    half: bool  # matrix products run in half precision


def cost(config: dict[str, Any], samples: Mapping[str, int]) -> Cost:
    """Return the cost of a resolved configuration on `samples`: its rows by split, `train` and those evaluated."""
    backbone, settings = config["backbone"], config["train"]
    architecture, method = Architecture.of(backbone), build_method(config["method"])
    micro = max(1, settings["batch_size"] // settings["gradient_accumulation_steps"])
    padded = settings["batch_size"] if method.couples_rows else micro  # rows padded to one length
    length = row_length(config, 1 if settings["group_by_length"] else padded)
    frozen = architecture.layers * sum(linear_step(1, m, n) for m, n in architecture.linears().values())
    attention = architecture.layers * attention_forward(length, architecture.hidden)
    targets = architecture.target_shapes(backbone["targets"]) * architecture.layers
    forward = frozen // 2 + attention
    # multiply-adds per token; the backward pass of a product of two inputs takes two products
    step = frozen + 3 * attention + method.multiply_adds(targets, micro * length)
    step += forward * bool(backbone.get("gradient_checkpointing"))  # computed again
    whole_step_first = method.couples_rows and settings["gradient_accumulation_steps"] > 1
    step += forward * whole_step_first
    times = {None: settings["epochs"], "once": 1, "never": 0}[config.get("evaluation")]
    scored = {split: rows for split, rows in samples.items() if split != "train"}
    evaluated_rows = settings["epochs"] * scored.pop("holdout", 0) + times * sum(scored.values())
    multiply_adds = settings["epochs"] * samples["train"] * length * step
    trained = backbone["facts"]["parameters"] if "backbone" in method.roles else method.trainable_parameters(targets)
    flop = 2.0 * multiply_adds + evaluation_flop(config, evaluated_rows)
    return Cost(flop=flop, disk_bytes=4 * trained, half=settings["precision"] != "no")


def evaluation_flop(config: dict[str, Any], rows: int) -> float:
    """Return the floating-point operations of scoring so many rows, without what an adapter adds."""
    architecture, text = Architecture.of(config["backbone"]), config["text"]
    longest = text["eval_max_length"] or text["max_length"]
    length = row_length(config, config["train"]["eval_batch_size"], longest)
    dense = sum(linear_step(1, m, n) for m, n in architecture.linears().values()) // 2
    forward = architecture.layers * (dense + attention_forward(length, architecture.hidden))
    return 2.0 * rows * length * forward


def row_length(config: dict[str, Any], rows: int, longest: int | None = None) -> float:
    """Return the tokens of a row, padded to the longest of `rows` rows and cut to `longest` (text.max_length)."""
    if (patches := Architecture.of(config["backbone"]).tokens) is not None:
        return patches
    if (together := config["task"].get("together")) is not None:  # mixed rows, so the longest task decides
        lengths = [row_length(config | {"task": task}, rows, longest) for task in together]
        return fmean(lengths) if rows == 1 else max(lengths)
    counts = plan_facts()["tokens"].get(config["task"]["name"])
    longest = longest or config["text"]["max_length"]
    if counts is None:
        return longest
    mean, *quantiles = counts
    padded = next((q for q, most in zip(quantiles, (4, 16), strict=False) if rows <= most), quantiles[-1])
    return min(mean if rows == 1 else padded, longest)


def count_rows(config: dict[str, Any]) -> tuple[dict[str, int], str]:
    """Return how many rows a run would train on and evaluate, by split, and where the counts come from.

    The splits are `train` and `eval`, and `holdout` with selection=holdout; counts are exact to a row per label.
    Raises RequestError when the source has no such data.
    """
    task, data = config["task"], config["data"]
    if (together := task.get("together")) is not None:  # limits are those of each task
        counts_of = [count_rows(config | {"task": each}) for each in together]
        splits = counts_of[0][0]
        return {split: sum(own[split] for own, _ in counts_of) for split in splits}, counts_of[0][1]
    source = open_source(data["source"], data["root"], data["max_row_bytes"])
    counts, origin = build(task, "tasks").count(source, config["text"]["format"]), f"the {data['source']} data"
    if None in counts:
        counts, origin = [task["rows"][split] for split in (task["train_split"], task["eval_splits"][0])], _OFFICIAL
    available, evaluation = rows_left(counts[0], task.get("held_back")), counts[1]
    moved = _part(data.get("more_eval"), available)
    available -= moved
    train = min(available, data["max_train"] or available)
    evaluation = moved + min(evaluation, data["max_eval"] or evaluation)
    if config["selection"] != "holdout":
        return {"train": train, "eval": evaluation}, origin
    if (asked := data.get("holdout")) is None:
        return {"train": train - train // 10, "eval": evaluation, "holdout": train // 10}, origin
    held_out = _part(asked, available)
    return {"train": min(train, available - held_out), "eval": evaluation, "holdout": held_out}, origin


def _part(asked: int | float | None, rows: int) -> int:
    return 0 if asked is None else round(asked * rows) if asked < 1 else int(asked)
