"""Ours against PEFT's FRoD before anything is timed: outputs, gradients and optimizer steps from the same basis."""

import dataclasses

import torch
from peft import FrodConfig
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
    """Return the relative errors of the output, of each gradient and of the output after 20 steps of AdamW, for
    every way, in float32 on the architecture's own blocks, four of them and eight times narrower.

    Raises RunFailure where one is above `TOLERANCE`.
    """
    small = dataclasses.replace(setting, layers=4, batch=2, dtype=torch.float32, narrow=8)
    arch, inputs = small.architecture, small.inputs()
    theirs = _train(build("peft_frod", small), inputs)
    errors = {}
    for way in WAYS:
        options = {"sparsity": small.sparsity, "basis": "peft", "way": way, "seed": PEFT_SEED}
        ours = attach(small.model(), "frod", targets=list(arch.targets), head=[arch.head], **options).model
        found = _train(ours, inputs)
        errors |= {f"{way}: {name}": ((found[name] - b).norm() / b.norm()).item() for name, b in theirs.items()}
    worst = max(errors, key=errors.__getitem__)
    if not errors[worst] <= TOLERANCE:
        what = f"{worst} is off by {errors[worst]:.2g}"
        raise RunFailure(f"The check against PEFT's FRoD fails ({what}), so nothing is timed.")
    return errors


def _train(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the output, the gradients of the layers and the output after some steps."""
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
            sparse.append(module.values.grad)
            diagonal.append(module.sigma.grad)
        elif hasattr(module, "frod_lambda_s_values"):
            rows, cols = module.frod_s_indices["default"]
            sparse.append(module.frod_lambda_s_values["default"].grad[torch.argsort(rows * 2**31 + cols)])
            diagonal.append(module.frod_lambda_l["default"].grad)
    return {"gradient of S": torch.cat(sparse), "gradient of sigma": torch.cat(diagonal)}
