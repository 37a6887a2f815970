"""Losses that look at the rows of a step together, and so are no mean over them.

A step is cut into micro-batches and shared out to processes, whose gradients then add up. That is exact for a loss that
is a mean over rows or tokens. A method's own loss may know of the whole step by `Method.batch_statistics`; what else
couples rows is refused.
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
    """Return what makes the loss of a row depend on the other rows of its batch, in words, where something does."""
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return f"normalises over the rows of a batch ({name})"
    if getattr(getattr(model, "config", None), "output_router_logits", False):
        return "adds a load-balance term over the batch to its loss (output_router_logits in its config.json)"
    return None


def require_uncoupled_rows(model: nn.Module) -> None:
    """Raise RequestError for a model that a batch in parts, or shared by processes, would train in another way."""
    if (reason := coupled_rows(model)) is not None:
        raise RequestError(
            f"The model {reason}, so a batch in parts would train it in another way. Use train.accumulate=1 and one"
            " process."
        )


@torch.no_grad()
def survey(
    adapted: Adapted, parts: Sequence[MicroBatch], forward: Callable[[Batch], Tensor], accelerator: Accelerator
) -> Tensor | None:
    """Return the sum of `batch_statistics` over all parts of a step, by one more forward pass of each; None for a
    method that does not couple rows.

    The random state is put back, so that the passes to train on drop the same units out.
    """
    if not adapted.method.couples_rows:
        return None
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        found = []
        for batch, own, _ in parts:
            forward(batch)
            found.append(last_statistics(adapted, own, accelerator))
    return torch.stack(found).sum(dim=0)


def last_statistics(adapted: Adapted, own: int, accelerator: Accelerator) -> Tensor | None:
    """Return the sum over all processes of `batch_statistics` of the last pass, on `own` rows of this process.

    A process without a row of its own has computed on another's, which does not count.
    """
    statistics = adapted.batch_statistics()
    return None if statistics is None else over_processes(statistics * (own > 0), accelerator)


def over_processes(value: Tensor, accelerator: Accelerator) -> Tensor:
    """Return the sum of a tensor over all processes."""
    return accelerator.reduce(value, "sum") if accelerator.num_processes > 1 else value
