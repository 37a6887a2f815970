"""Gather a sharded tensor (a DTensor, as FSDP makes it), and shard a full one again.

Every process has to make these calls, in the same order. A plain tensor is returned as it is.
"""

from typing import Any

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Return whether this process holds only a shard of the tensor."""
    return hasattr(tensor, "full_tensor")


def gather_full(tensor: Any) -> Tensor:
    """Return the full tensor; on the CPU if it was sharded, because a whole model may not fit on one device."""
    return tensor.full_tensor().cpu() if is_sharded(tensor) else tensor


def shard_like(value: Tensor, other: Any) -> Tensor:
    """Return `value` sharded as `other`, a tensor of the same shape, is."""
    if not is_sharded(other):
        return value
    from torch.distributed.tensor import distribute_tensor  # takes a second to import

    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)
