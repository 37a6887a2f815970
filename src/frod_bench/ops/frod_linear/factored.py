"""The factored way: two dense products around the diagonal-plus-sparse one, with a hand-written backward."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from frod_bench.ops.rotation import Pattern, rotate, rotate_transposed, sampled_gradient


def project(x: Tensor, Vt: Tensor) -> Tensor:
    """Return z = V^T x as columns [n, T] of x [T, n]; layers that read the same x over one V can share it."""
    return Vt @ x.T


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, U: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        v, d = values.to(z.dtype), diagonal.to(z.dtype)
        ctx.save_for_backward(z, U, values, diagonal)
        ctx.pattern = pattern
        a = rotate(pattern, v, d, z)  # [n, T]
        return a.T @ U.T if bias is None else torch.addmm(bias, a.T, U.T)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        z, U, values, diagonal = ctx.saved_tensors
        h = U.T @ grad.T  # [n, T]
        grad_z = grad_values = grad_diagonal = None
        if ctx.needs_input_grad[0]:
            grad_z = rotate_transposed(ctx.pattern, values.to(h.dtype), diagonal.to(h.dtype), h)
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            grad_values, grad_diagonal = sampled_gradient(ctx.pattern, h, z)
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

    `U` and `bias` are constants; gradients flow to z, values and d.
    """
    return _Rotated.apply(z, U, values, diagonal, bias, pattern)
