"""The two ways beside the base weight: W' = W (I + D) with D = A dM B [k, k], and no U.

As U = W V^-T Sigma_0^-1 at full column rank, the update U dM V^T of a layer with m > n is W D with A = V^-T and
B = V^T, where dM has its rows divided by Sigma_0. On the short side the same holds for W^T, so D acts on the outputs:
W' = (I + D) W with A = V and B = V^-1, where dM has its columns divided by Sigma_0. Both start exactly at the base,
because D is zero there.
"""

import torch
from torch import Tensor

from frod_bench.ops.casting import cast
from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product
from frod_bench.ops.frod_linear.factored import factored_linear
from frod_bench.ops.frod_linear.merged import sampled_gradients


def right_factor(A: Tensor, B: Tensor, values: Tensor, delta: Tensor, pattern: Pattern) -> Tensor:
    """Return D = A (diag(delta) + S) B [k, k], of A and B [k, k], in their dtype."""
    return torch.mm(A, diag_sparse_product(pattern, cast(values, A.dtype), cast(delta, A.dtype), B))


def right_residual(
    t: Tensor, offset: Tensor | None, A: Tensor, B: Tensor, values: Tensor, delta: Tensor, pattern: Pattern
) -> Tensor:
    """Return t + D (t - offset) [..., k] of t [..., k], by products with A, dM and B. A, B and offset are constants."""
    moved = t if offset is None else t - offset
    return t + factored_linear(moved.reshape(-1, t.shape[-1]), A, values, delta, pattern, R=B).view(t.shape)


class _RightMerged(torch.autograd.Function):
    @staticmethod
    def forward(ctx, t, offset, A, B, values, delta, pattern, D):
        ctx.save_for_backward(t, offset, A, B, values, delta, D)
        ctx.pattern = pattern
        return _shifted(t, offset, D)

    @staticmethod
    def backward(ctx, grad: Tensor):
        t, offset, A, B, values, delta, D = ctx.saved_tensors
        grad_t = grad_values = grad_delta = None
        A, B = cast(A, t.dtype), cast(B, t.dtype)
        rows = grad.reshape(-1, grad.shape[-1])
        if ctx.needs_input_grad[0]:
            if torch.is_grad_enabled():  # a second derivative needs D as a function of values and delta
                D = right_factor(A, B, values, delta, ctx.pattern)
            grad_t = torch.addmm(rows, rows, D).view(grad.shape)
        if ctx.needs_input_grad[4] or ctx.needs_input_grad[5]:
            moved = t if offset is None else t - offset
            grad_D = torch.mm(rows.t(), moved.reshape(rows.shape))
            grad_values, grad_delta = sampled_gradients(grad_D, A, B, ctx.pattern)
            grad_values, grad_delta = cast(grad_values, values.dtype), cast(grad_delta, delta.dtype)
        return grad_t, None, None, None, grad_values, grad_delta, None, None


def right_merged(
    t: Tensor,
    offset: Tensor | None,
    A: Tensor,
    B: Tensor,
    values: Tensor,
    delta: Tensor,
    pattern: Pattern,
    D: Tensor | None = None,
) -> Tensor:
    """Return t + D (t - offset) [..., k] of t [..., k], in one product with D.

    Pass D if it is known for these values. A, B and offset are constants; gradients of any order flow to t, values and
    delta. A D that requires a gradient gets it instead of values and delta; see `sampled_gradients`.
    """
    if D is None:
        with torch.no_grad():
            D = right_factor(cast(A, t.dtype), cast(B, t.dtype), values, delta, pattern)
    own_gradient = D.requires_grad
    D = cast(D, t.dtype)
    if own_gradient or not torch.is_grad_enabled():
        return _shifted(t, offset, D)
    return _RightMerged.apply(t, offset, A, B, values, delta, pattern, D)


def _shifted(t: Tensor, offset: Tensor | None, D: Tensor) -> Tensor:
    moved = t if offset is None else t - offset
    if not t.is_contiguous():  # the sum has the strides of t, on which the last bits of the product with W depend
        return t + moved @ D.t()
    rows = t.view(-1, t.shape[-1])
    return torch.addmm(rows, moved.view(rows.shape), D.t()).view(t.shape)
