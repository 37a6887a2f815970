"""Before anything is timed: compare our FRoD with PEFT's, from the same basis, in outputs, gradients and steps."""

import dataclasses
from typing import Any

import torch
from peft import FrodConfig
from peft.tuners.frod.layer import FrodLayer
from torch import Tensor, nn

from frod_bench.adapters.frod import FrodLinear
from frod_bench.bench.contenders import Setting, build
from frod_bench.errors import RunFailure
from frod_bench.methods import attach
from frod_bench.ops.frod_linear import WAYS

TOLERANCE = 1e-5
STEPS = 20
LEARNING_RATE = 1e-4
PEFT_SEED = FrodConfig().projection_prng_key


def check_against_peft(setting: Setting) -> dict[str, float]:
    """Return the relative errors of the output, the gradients and the output after 20 steps of AdamW, for every way.

    The model has four of the architecture's blocks, eight times narrower, in float32. Raises RunFailure when an error
    exceeds `TOLERANCE`.
    """
    small = dataclasses.replace(setting, layers=4, batch=2, dtype=torch.float32, narrow=8)
    arch, inputs = small.architecture, small.inputs()
    theirs = _train(build("peft_frod", small), inputs)
    errors: dict[str, float] = {}
    for way in WAYS:
        options: dict[str, Any] = {"sparsity": small.sparsity, "basis": "peft", "way": way, "seed": PEFT_SEED}
        ours = attach(small.model(), "frod", targets=list(arch.targets), head=[arch.head], **options).model
        found = _train(ours, inputs)
        errors |= {f"{way}: {name}": ((found[name] - b).norm() / b.norm()).item() for name, b in theirs.items()}
    worst = max(errors, key=errors.__getitem__)
    if not errors[worst] <= TOLERANCE:
        what = f"{worst} is off by {errors[worst]:.2g}"
        raise RunFailure(f"The check against PEFT's FRoD fails ({what}), so nothing is timed.")
    return errors


def _train(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the output and the gradients of the first step, and the output after `STEPS` steps."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LEARNING_RATE)
    found = {}
    for step in range(STEPS):
        output = model(**inputs)
        output.loss.backward()
        if step == 0:
            found["output"] = output.logits.detach()
            found |= _gradients(model)
        optimizer.step()
        optimizer.zero_grad()
    found[f"output after {STEPS} steps"] = model(**inputs).logits.detach()
    return found


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    """Return the gradients of S, row by row, and of sigma over all layers."""
    sparse, diagonal = [], []
    for module in model.modules():
        if isinstance(module, FrodLinear):
            sparse.append(_gradient(module.values))
            diagonal.append(_gradient(module.sigma))
        elif isinstance(module, FrodLayer) and module.frod_s_indices is not None:
            rows, cols = module.frod_s_indices["default"]
            sparse.append(_gradient(module.frod_lambda_s_values["default"])[torch.argsort(rows * 2**31 + cols)])
            diagonal.append(_gradient(module.frod_lambda_l["default"]))
    return {"gradient of S": torch.cat(sparse), "gradient of sigma": torch.cat(diagonal)}


def _gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        raise RunFailure("The check against PEFT's FRoD fails (a parameter has no gradient), so nothing is timed.")
    return parameter.grad
