"""The factored way: two dense products around the diagonal-plus-sparse one, with a hand-written backward pass.

The backward passes read only the inputs and use differentiable operations, so they can be differentiated again.
"""

import torch
from torch import Tensor

from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product, diag_sparse_product_transposed, sddmm


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, Vt: Tensor):
        ctx.Vt = Vt  # not a saved tensor: several backward passes may go through a shared projection
        return Vt.to(x.dtype) @ x.T

    @staticmethod
    def backward(ctx, grad: Tensor):
        return grad.T @ ctx.Vt.to(grad.dtype), None


def project(x: Tensor, Vt: Tensor) -> Tensor:
    """Return z = V^T x as columns [n, T] in the dtype of x [T, n], for all layers that read the same x over one V.

    V^T is a constant; gradients flow to x.
    """
    return _Projected.apply(x, Vt)


class _Factored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, U: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        v, d = values.to(z.dtype), diagonal.to(z.dtype)
        ctx.save_for_backward(z, U, values, diagonal)
        ctx.pattern = pattern
        a, Ut = diag_sparse_product(pattern, v, d, z), U.T.to(z.dtype)  # [n, T], [n, m]
        return a.T @ Ut if bias is None else torch.addmm(bias.to(z.dtype), a.T, Ut)

    @staticmethod
    def backward(ctx, grad: Tensor):
        z, U, values, diagonal = ctx.saved_tensors
        h = U.T.to(grad.dtype) @ grad.T  # [n, T]
        grad_z = grad_values = grad_diagonal = None
        if ctx.needs_input_grad[0]:
            grad_z = diag_sparse_product_transposed(ctx.pattern, values.to(h.dtype), diagonal.to(h.dtype), h)
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            grad_values, grad_diagonal = sddmm(ctx.pattern, h, z)
            grad_values, grad_diagonal = grad_values.to(values.dtype), grad_diagonal.to(diagonal.dtype)
        return grad_z, None, grad_values, grad_diagonal, None, None


def factored_linear(
    z: Tensor,
    U: Tensor,
    values: Tensor,
    diagonal: Tensor,
    pattern: Pattern,
    bias: Tensor | None = None,
) -> Tensor:
    """Return z^T (diag(d) + S)^T U^T + b [T, m] of z = V^T x [n, T], U [m, n], values [nnz] and d [n].

    `U` and `bias` are constants, cast to the dtype of z here and again in the backward pass, which keeps no copy.
    Gradients flow to z, values and d.
    """
    return _Factored.apply(z, U, values, diagonal, bias, pattern)
