"""`bench start`: how far an adapted model is from its base before the first step, by dtype and by way."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from frod_bench.bench.contenders import CONTENDERS, Setting

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def bench_start(setting: Setting, names: list[str], progress) -> dict[str, Any]:
    """Return a row a dtype and contender: the relative difference (norms) of the logits from the base model's.

    The base computes in the same dtype; the models are the same but for what adapts them, and dropout is off. In
    evaluation ours computes with the merged weight, in training in its way. `bit_equal` tells of evaluation.
    """
    rows = []
    for label, dtype in _DTYPES.items():
        cast = dataclasses.replace(setting, dtype=dtype)
        inputs = cast.inputs()
        base = cast.model()(**inputs).logits
        for name in names:
            progress.say(f"{label}: {name}")
            model = cast.model()
            CONTENDERS[name](model, cast)
            training = model.train()(**inputs).logits
            evaluation = model.eval()(**inputs).logits
            rows.append(
                {
                    "dtype": label,
                    "contender": name,
                    "bit_equal": torch.equal(evaluation, base),
                    "evaluation": _difference(evaluation, base),
                    "training": _difference(training, base),
                }
            )
    return {"rows": rows}


def _difference(found: Tensor, wanted: Tensor) -> float:
    return ((found.float() - wanted.float()).norm() / wanted.float().norm()).item()
