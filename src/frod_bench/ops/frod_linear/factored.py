"""The factored way: two dense products around the diagonal-plus-sparse one, with a hand-written backward pass.

The backward passes read only inputs and outputs and use differentiable operations, so they can be differentiated again.
"""

import torch
from torch import Tensor

from frod_bench.ops.casting import cast
from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product, diag_sparse_product_transposed, sddmm


class _Projected(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, R: Tensor):
        ctx.R = R  # not a saved tensor: several backward passes may go through a shared projection
        return torch.mm(cast(R, x.dtype), x.t())

    @staticmethod
    def backward(ctx, grad: Tensor):
        return torch.mm(grad.t(), cast(ctx.R, grad.dtype)), None


def project(x: Tensor, R: Tensor) -> Tensor:
    """Return z = R x as columns [k, T] in the dtype of x [T, n], for all layers that read the same x over one R [k, n].

    R is a constant; gradients flow to x.
    """
    return _Projected.apply(x, R)


class _Factored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, L: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        ctx.save_for_backward(z, L, values, diagonal)
        ctx.pattern = pattern
        return _forward(z, L, values, diagonal, bias, pattern)

    @staticmethod
    def backward(ctx, grad: Tensor):
        wanted = ctx.needs_input_grad
        grad_z, grad_values, grad_diagonal = _backward(ctx, grad, ctx.saved_tensors, wanted[0], wanted[2] or wanted[3])
        return grad_z, None, grad_values, grad_diagonal, None, None


class _Whole(torch.autograd.Function):
    """The projection and the rest in one: z is an output, so that second derivatives flow through it."""

    @staticmethod
    def forward(ctx, x: Tensor, R: Tensor, L: Tensor, values: Tensor, diagonal: Tensor, bias, pattern):
        z = torch.mm(cast(R, x.dtype), x.t())
        ctx.save_for_backward(z, L, values, diagonal, R)
        ctx.pattern = pattern
        ctx.set_materialize_grads(False)
        return _forward(z, L, values, diagonal, bias, pattern), z

    @staticmethod
    def backward(ctx, grad: Tensor | None, grad_of_z: Tensor | None):
        (*saved, R), wanted = ctx.saved_tensors, ctx.needs_input_grad
        grad_z = grad_values = grad_diagonal = None
        if grad is not None:
            grad_z, grad_values, grad_diagonal = _backward(ctx, grad, saved, wanted[0], wanted[3] or wanted[4])
        if grad_of_z is not None:
            grad_z = grad_of_z if grad_z is None else grad_z + grad_of_z
        grad_x = torch.mm(grad_z.t(), cast(R, grad_z.dtype)) if wanted[0] and grad_z is not None else None
        return grad_x, None, None, grad_values, grad_diagonal, None, None


def _forward(z: Tensor, L: Tensor, values: Tensor, diagonal: Tensor, bias, pattern) -> Tensor:
    a = diag_sparse_product(pattern, cast(values, z.dtype), cast(diagonal, z.dtype), z).t()  # [T, k]
    Lt = cast(L.t(), z.dtype)  # [k, m]
    return torch.mm(a, Lt) if bias is None else torch.addmm(cast(bias, z.dtype), a, Lt)


def _backward(ctx, grad: Tensor, saved, to_z: bool, to_values: bool) -> tuple:
    """Return the gradients of z, of the values and of the diagonal; None for those that nobody wants."""
    z, L, values, diagonal = saved
    h = torch.mm(cast(L.t(), grad.dtype), grad.t())  # [k, T]
    grad_z = grad_values = grad_diagonal = None
    if to_z:
        grad_z = diag_sparse_product_transposed(ctx.pattern, cast(values, h.dtype), cast(diagonal, h.dtype), h)
    if to_values:
        grad_values, grad_diagonal = sddmm(ctx.pattern, h, z)
        grad_values, grad_diagonal = cast(grad_values, values.dtype), cast(grad_diagonal, diagonal.dtype)
    return grad_z, grad_values, grad_diagonal


def factored_linear(
    z: Tensor,
    L: Tensor,
    values: Tensor,
    diagonal: Tensor,
    pattern: Pattern,
    bias: Tensor | None = None,
    R: Tensor | None = None,
) -> Tensor:
    """Return z^T (diag(d) + S)^T L^T + b [T, m] of z = R x [k, T], L [m, k], values [nnz] and d [k].

    With R [k, n], `z` is x [T, n] and is projected first, for a layer that shares its projection with no other. L, R
    and `bias` are constants, cast to the dtype of z here and again in the backward pass, which keeps no copy. Gradients
    flow to z or x, to the values and to d.
    """
    if R is None:
        return _Factored.apply(z, L, values, diagonal, bias, pattern)
    return _Whole.apply(z, R, L, values, diagonal, bias, pattern)[0]
