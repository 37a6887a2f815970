"""A tensor of which every process of a run holds its part (FSDP's DTensor): whole, and in parts again.

Both are for all processes at once, in the same order; a plain tensor passes through.
"""

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Return whether this process holds only a part."""
    return hasattr(tensor, "full_tensor")


def gather_full(tensor: Tensor) -> Tensor:
    """Return the whole tensor, on the CPU where it was split: all of a model may not fit on one device."""
    return tensor.full_tensor().cpu() if is_sharded(tensor) else tensor


def shard_like(value: Tensor, other: Tensor) -> Tensor:
    """Return `value`, of the shape of `other`, split as that one is."""
    if not is_sharded(other):
        return value
    from torch.distributed.tensor import distribute_tensor  # takes a second to import

    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)
