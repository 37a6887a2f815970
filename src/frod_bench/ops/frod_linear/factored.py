"""The factored way: two dense products around the diagonal-plus-sparse one, with a hand-written backward."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from frod_bench.ops.rotation import Pattern, rotate, rotate_transposed, sampled_gradient


class _Factored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, U: Tensor, Vt: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        z = Vt @ x.T  # [n, T]
        v, d = values.to(x.dtype), diagonal.to(x.dtype)
        ctx.save_for_backward(z, U, Vt, values, diagonal)
        ctx.pattern = pattern
        a = rotate(pattern, v, d, z)  # [n, T]
        return a.T @ U.T if bias is None else torch.addmm(bias, a.T, U.T)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        z, U, Vt, values, diagonal = ctx.saved_tensors
        h = U.T @ grad.T  # [n, T]
        grad_x = grad_values = grad_diagonal = None
        if ctx.needs_input_grad[0]:
            grad_x = rotate_transposed(ctx.pattern, values.to(h.dtype), diagonal.to(h.dtype), h).T @ Vt
        if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
            grad_values, grad_diagonal = sampled_gradient(ctx.pattern, h, z)
            grad_values, grad_diagonal = grad_values.to(values.dtype), grad_diagonal.to(diagonal.dtype)
        return grad_x, None, None, grad_values, grad_diagonal, None, None


def factored_linear(
    x: Tensor,
    U: Tensor,
    Vt: Tensor,
    values: Tensor,
    diagonal: Tensor,
    pattern: Pattern,
    bias: Tensor | None = None,
) -> Tensor:
    """Return x V (diag(d) + S)^T U^T + b [T, m] of x [T, n], U [m, n], Vt [n, n], values [nnz] and d [n].

    `U`, `Vt` and `bias` are constants; gradients flow to x, values and d.
    """
    return _Factored.apply(x, U, Vt, values, diagonal, bias, pattern)
