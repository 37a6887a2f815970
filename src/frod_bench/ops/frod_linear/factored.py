"""The factored way: two dense products around the diagonal-plus-sparse one, with a hand-written backward pass.

The backward passes read only the inputs and use differentiable operations, so they can be differentiated again.
"""

import torch
from torch import Tensor

from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product, diag_sparse_product_transposed, sddmm


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, R: Tensor):
        ctx.R = R  # not a saved tensor: several backward passes may go through a shared projection
        return R.to(x.dtype) @ x.T

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad.T @ ctx.R.to(grad.dtype), None


def project(x: Tensor, R: Tensor) -> Tensor:
    """Return z = R x as columns [k, T] in the dtype of x [T, n], for all layers that read the same x over one R [k, n].

    R is a constant; gradients flow to x.
    """
    return _Projected.apply(x, R)


class _Factored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, L: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        v, d = values.to(z.dtype), diagonal.to(z.dtype)
        ctx.save_for_backward(z, L, values, diagonal)
        ctx.pattern = pattern
        a, Lt = diag_sparse_product(pattern, v, d, z), L.T.to(z.dtype)  # [k, T], [k, m]
        return a.T @ Lt if bias is None else torch.addmm(bias.to(z.dtype), a.T, Lt)

    @staticmethod
    def backward(ctx, grad: Tensor):
        z, L, values, diagonal = ctx.saved_tensors
        h = L.T.to(grad.dtype) @ grad.T  # [k, T]
        grad_z = grad_values = grad_diagonal = None
        if ctx.needs_input_grad[0]:
            grad_z = diag_sparse_product_transposed(ctx.pattern, values.to(h.dtype), diagonal.to(h.dtype), h)
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            grad_values, grad_diagonal = sddmm(ctx.pattern, h, z)
            grad_values, grad_diagonal = grad_values.to(values.dtype), grad_diagonal.to(diagonal.dtype)
        return grad_z, None, grad_values, grad_diagonal, None, None


def factored_linear(
    z: Tensor,
    L: Tensor,
    values: Tensor,
    diagonal: Tensor,
    pattern: Pattern,
    bias: Tensor | None = None,
) -> Tensor:
    """Return z^T (diag(d) + S)^T L^T + b [T, m] of z = R x [k, T], L [m, k], values [nnz] and d [k].

    `L` and `bias` are constants, cast to the dtype of z here and again in the backward pass, which keeps no copy.
    Gradients flow to z, values and d.
    """
    return _Factored.apply(z, L, values, diagonal, bias, pattern)
