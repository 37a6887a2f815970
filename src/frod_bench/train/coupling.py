"""Losses that couple the rows of a step, so that they are not a mean over rows.

A step is split into micro-batches and over processes, and their gradients are summed. That is exact for a loss that is
a mean over rows or tokens. A method's own loss may see the whole step through `Method.batch_statistics`; any other
coupling is refused.
"""

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.tasks.base import Batch
from frod_bench.train.loading import MicroBatch


def coupled_rows(model: nn.Module) -> str | None:
    """Return, in words, why the loss of a row depends on the other rows of its batch, or None when it does not."""
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return f"normalises over the rows of a batch ({name})"
    if getattr(getattr(model, "config", None), "output_router_logits", False):
        return "adds a load-balance term over the batch to its loss (output_router_logits in its config.json)"
    return None


def require_uncoupled_rows(model: nn.Module) -> None:
    """Raise RequestError for a model that would train differently on micro-batches or on several processes."""
    if (reason := coupled_rows(model)) is not None:
        raise RequestError(
            f"The model {reason}, so training on parts of a batch would give another result. Use"
            " train.gradient_accumulation_steps=1 and"
            " one process."
        )


@torch.no_grad()
def survey(
    adapted: Adapted, parts: Sequence[MicroBatch], forward: Callable[[Batch], Tensor], accelerator: Accelerator
) -> Tensor | None:
    """Return the sum of `batch_statistics` over the micro-batches of a step, or None if the method couples no rows.

    Takes one extra forward pass per micro-batch and restores the random state, so that the training passes use the same
    dropout masks.
    """
    if not adapted.method.couples_rows:
        return None
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        found = []
        for batch, own, _ in parts:
            forward(batch)
            if (statistics := last_statistics(adapted, own, accelerator)) is not None:
                found.append(statistics)
    return torch.stack(found).sum(dim=0)


def last_statistics(adapted: Adapted, own: int, accelerator: Accelerator) -> Tensor | None:
    """Return `batch_statistics` of the last forward pass, summed over all processes.

    `own` is the number of rows of this process. With none, it computed on another process's row, which is left out.
    """
    statistics = adapted.batch_statistics()
    return None if statistics is None else over_processes(statistics * (own > 0), accelerator)


def over_processes(value: Tensor, accelerator: Accelerator) -> Tensor:
    """Return the sum of a tensor over all processes."""
    return accelerator.reduce(value, "sum") if accelerator.num_processes > 1 else value
