"""The layer in plain operations, for `torch.func` transforms and forward-mode AD."""

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.functional import linear

from frod_bench.ops.diag_sparse import Pattern


def transform_active() -> bool:
    """Return whether a `torch.func` transform (vmap, grad, jvp, ...) or forward-mode AD is active."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_transformed(tensor: Tensor) -> bool:
    """Return whether a transform acts on this tensor, which then carries a batch dimension, a tangent or a gradient."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return wrapped or (forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None)


def plain_linear(
    x: Tensor,
    dropped: Tensor,
    weight: Tensor,
    L: Tensor,
    R: Tensor,
    values: Tensor,
    delta: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
) -> Tensor:
    """Return x W^T + b + dropped (L (diag(delta) + S) R)^T [..., m], of x and dropped [..., n].

    The update is formed as a dense matrix [m, n], by way of one of [k, k]: correct under any transform, but slow.
    """
    dtype = x.dtype
    update = L @ (pattern.dense(values.to(L.dtype), delta.to(L.dtype)) @ R)
    bias = None if bias is None else bias.to(dtype)
    return linear(x, weight.to(dtype), bias) + linear(dropped, update.to(dtype))
