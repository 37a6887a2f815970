"""Recognise that memory ran out, and say what was using it."""

from collections.abc import Iterable

import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn
from torch.optim import Optimizer

from frod_bench.train.memory import peak_memory


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocation failed, on an accelerator or in the process."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or should_reduce_batch_size(error)


def what_was_live(model: nn.Module, optimizer: Optimizer, device: torch.device) -> str:
    """Return a sentence with the MiB of each kind of tensor; activations are the rest of the peak."""
    parameters = list(model.parameters())
    kinds = {
        "frozen weights": _bytes([*(p for p in parameters if not p.requires_grad), *model.buffers()]),
        "trained weights": _bytes(p for p in parameters if p.requires_grad),
        "gradients": _bytes(p.grad for p in parameters if p.grad is not None),
        "optimizer": _bytes(v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor)),
    }
    peak, kind = peak_memory(device)
    rest = max(peak - sum(kinds.values()), 0)
    known = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in kinds.items())
    return f"Live, in MiB: {known}, activations and all else up to {rest / 2**20:,.0f} of the {kind}."


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())
