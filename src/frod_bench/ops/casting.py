"""Casts that cost nothing where there is nothing to cast: `Tensor.to` is a call into the dispatcher all the same."""

import torch
from torch import Tensor


def cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the tensor in `dtype`; itself if it has that dtype."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)
