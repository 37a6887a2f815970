"""Attention in float32 while a CPU trains in bf16: torch's fused backward pass is 2 to 6 times slower in bf16."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

_FUSED = functional.scaled_dot_product_attention


@contextlib.contextmanager
def training_attention(device: torch.device, precision: str) -> Iterator[None]:
    """Wrap a forward pass and its backward pass on `device`; use it in one thread of a process at a time.

    This replaces the function where models look it up. A TorchFunctionMode would be off in the backward pass, where
    gradient checkpointing computes attention again and must get the same result.
    """
    if device.type != "cpu" or precision != "bf16":
        yield
        return
    functional.scaled_dot_product_attention = attend_in_float32
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = _FUSED


def attend_in_float32(query: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Compute scaled_dot_product_attention in float32 and return it in the dtype it would have had."""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    with torch.autocast("cpu", enabled=False):
        out = _FUSED(query.float(), *map(_float32, args), **{name: _float32(value) for name, value in kwargs.items()})
    return out.to(dtype)


def _float32(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
