"""The merged way: form W', apply it in one dense product, and sample the gradient of S from that of W'."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from frod_bench.ops.casting import cast
from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product, diag_sparse_product_transposed, sddmm


def merge_weight(weight: Tensor, L: Tensor, R: Tensor, values: Tensor, delta: Tensor, pattern: Pattern) -> Tensor:
    """Return W' = W + L (diag(delta) + S) R [m, n]; equal to W to the last bit while delta and S are zero.

    The update is computed in the dtype of L and R, the sum in that of W.
    """
    v, d = cast(values, L.dtype), cast(delta, L.dtype)
    if L.shape[0] < R.shape[1]:  # the sparse product goes over the shorter side
        return weight + torch.mm(diag_sparse_product_transposed(pattern, v, d, L.t().contiguous()).t(), R)
    return weight + torch.mm(L, diag_sparse_product(pattern, v, d, R))


def sampled_gradients(gradient: Tensor, L: Tensor, R: Tensor, pattern: Pattern) -> tuple[Tensor, Tensor]:
    """Return the gradients of the values [nnz] and the diagonal [k] of M from that of L M R [m, n]."""
    if L.shape[0] < R.shape[1]:  # as in `merge_weight`
        return sddmm(pattern, L.t().contiguous(), torch.mm(R, gradient.t()))
    return sddmm(pattern, torch.mm(L.t(), gradient), R)


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, merged, L, R, values, delta, bias, pattern, recompute):
        kept = merged if ctx.needs_input_grad[0] and not recompute else None
        ctx.save_for_backward(x, weight, kept, L, R, values, delta)
        ctx.pattern = pattern
        return linear(x, merged, bias)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight, W, L, R, values, delta = ctx.saved_tensors
        grad_x = grad_values = grad_delta = None
        if ctx.needs_input_grad[0]:
            if W is None or torch.is_grad_enabled():  # a second derivative needs W' as a function of values and delta
                W = cast(merge_weight(weight, cast(L, x.dtype), cast(R, x.dtype), values, delta, ctx.pattern), x.dtype)
            grad_x = grad @ W
        if ctx.needs_input_grad[5] or ctx.needs_input_grad[6]:
            L, R = cast(L, x.dtype), cast(R, x.dtype)
            grad_weight = torch.mm(grad.reshape(-1, grad.shape[-1]).t(), x.reshape(-1, x.shape[-1]))  # [m, n]
            grad_values, grad_delta = sampled_gradients(grad_weight, L, R, ctx.pattern)
            grad_values, grad_delta = cast(grad_values, values.dtype), cast(grad_delta, delta.dtype)
        return grad_x, None, None, None, None, grad_values, grad_delta, None, None, None


def merged_linear(
    x: Tensor,
    weight: Tensor,
    L: Tensor,
    R: Tensor,
    values: Tensor,
    delta: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    merged: Tensor | None = None,
    recompute: bool = False,
) -> Tensor:
    """Return x W'^T + b [..., m] of x [..., n], W [m, n], L [m, k], R [k, n], values [nnz] and delta [k].

    Pass W' as `merged` if it is known for these values. `recompute` forms W' again in the backward pass instead of
    keeping it, for m n k more multiply-adds. W, L, R and b are constants; gradients of any order flow to x, values
    and delta. A `merged` that requires a gradient gets it instead of values and delta; see `sampled_gradients`.
    """
    bias = None if bias is None else cast(bias, x.dtype)
    if merged is None:
        with torch.no_grad():
            merged = merge_weight(weight, cast(L, x.dtype), cast(R, x.dtype), values, delta, pattern)
    own_gradient = merged.requires_grad
    merged = cast(merged, x.dtype)
    if own_gradient or not torch.is_grad_enabled():
        return linear(x, merged, bias)
    return _Merged.apply(x, weight, merged, L, R, values, delta, bias, pattern, recompute)
