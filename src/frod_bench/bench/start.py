"""`bench start`: the distance of an adapted model from its base before the first step, by dtype and way."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from frod_bench.bench.contenders import CONTENDERS, Setting
from frod_bench.bench.timing import Progress

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def bench_start(setting: Setting, names: list[str], progress: Progress) -> dict[str, Any]:
    """Return a row per dtype and contender: the relative difference of the logits' norm from the base model's.

    The base model computes in the same dtype, and dropout is off. Our FRoD computes with the merged weight in
    evaluation and in its own way in training. `bit_equal` refers to evaluation. `right_error` is the largest error of U
    in a layer that may take a right way, where it does not touch the start but the update.
    """
    rows: list[dict[str, Any]] = []
    for label, dtype in _DTYPES.items():
        cast = dataclasses.replace(setting, dtype=dtype)
        inputs = cast.inputs()
        base = cast.model()(**inputs).logits
        for name in names:
            progress.say(f"{label}: {name}")
            model = cast.model()
            adapted = CONTENDERS[name](model, cast)
            training = model.train()(**inputs).logits
            evaluation = model.eval()(**inputs).logits
            rows.append(
                {
                    "dtype": label,
                    "contender": name,
                    "bit_equal": torch.equal(evaluation, base),
                    "evaluation": _difference(evaluation, base),
                    "training": _difference(training, base),
                    "right_error": None if adapted is None else adapted.facts.get("max_right_error"),
                }
            )
    return {"rows": rows}


def _difference(found: Tensor, wanted: Tensor) -> float:
    return ((found.float() - wanted.float()).norm() / wanted.float().norm()).item()
