"""Unstructured sparsity: compressed rows (CSR) on a CPU, a dense matrix where that is faster.

The operators are registered with `torch.library`, so `torch.compile` does not break at them; each is the gradient of
the other. On two CPU threads at density 0.02 the sparse product is 5 to 12 times faster than the dense one for n = 384
and n = 1536 at 256 tokens, and 1.3 times slower for n = 3072 at 3200 tokens.
"""

import warnings

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from frod_bench.ops import cost
from frod_bench.ops.diag_sparse.direct import runs_directly
from frod_bench.ops.diag_sparse.pattern import Pattern

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")

# cost of a multiply-add of the sparse products in multiply-adds of a dense one, on two CPU threads
SPARSE_COST = 16.0


class UnstructuredPattern(Pattern):
    """A pattern that stores M and M^T as compressed rows.

    `structure` holds the row starts [n + 1] and columns [nnz + n] of M in int32, and the order [nnz + n] that sorts
    its entries by row; then the same three for M^T; then the position [nnz + n] of each entry in the flat dense M, and
    the inverse [nnz + n] of the first order.
    """

    def index(self, rows: Tensor, cols: Tensor) -> list[Tensor]:
        """See `Pattern.index`."""
        by_row, by_column = _compress(rows, cols, self.n), _compress(cols, rows, self.n)
        return [*by_row, *by_column, rows * self.n + cols, torch.argsort(by_row[2])]

    def product(self, entries: Tensor, z: Tensor, transposed: bool) -> Tensor:
        """See `Pattern.product`."""
        call = _product if runs_directly(z) else unstructured_product
        return call(entries, z, self.structure, transposed)

    def sddmm(self, h: Tensor, z: Tensor) -> Tensor:
        """See `Pattern.sddmm`."""
        call = _sddmm if runs_directly(z) else unstructured_sddmm
        return call(h, z, self.structure)

    def column_cost(self, dtype: torch.dtype, device_type: str) -> float:
        """See `Pattern.column_cost`."""
        entries = self.nnz + self.n
        return (
            SPARSE_COST * entries
            if _sparse_is_fast(device_type, dtype, entries, self.n)
            else float(cost.dense_square_product(self.n, 1))
        )


def _product(entries: Tensor, z: Tensor, structure: list[Tensor], transposed: bool) -> Tensor:
    """Return M z or M^T z [n, T] of the entries [nnz + n] of M, z [n, T] and `UnstructuredPattern.structure`."""
    n = z.shape[0]
    if _sparse_is_fast(z.device.type, z.dtype, entries.numel(), n):
        starts, columns, order = structure[3:6] if transposed else structure[:3]
        by_row = entries.index_select(0, order)
        return torch.sparse_csr_tensor(starts, columns, by_row, (n, n), check_invariants=False) @ z
    M = z.new_zeros(n * n).index_put_((structure[6],), entries).view(n, n)
    return torch.mm(M.t() if transposed else M, z)


def _sddmm(h: Tensor, z: Tensor, structure: list[Tensor]) -> Tensor:
    """Return the entries [nnz + n] of h z^T, of h and z [n, T] and `UnstructuredPattern.structure`."""
    n = z.shape[0]
    starts, columns, order, *_, positions, inverse = structure
    if not _sparse_is_fast(z.device.type, z.dtype, order.numel(), n):
        return torch.mm(h, z.t()).take(positions)
    zeros = torch.sparse_csr_tensor(starts, columns, z.new_zeros(order.numel()), (n, n), check_invariants=False)
    return torch.sparse.sampled_addmm(zeros, h, z.T, beta=0.0).values().index_select(0, inverse)


unstructured_product = torch.library.custom_op("frod_bench::unstructured_product", _product, mutates_args=())
unstructured_sddmm = torch.library.custom_op("frod_bench::unstructured_sddmm", _sddmm, mutates_args=())


def _sparse_is_fast(device_type: str, dtype: torch.dtype, entries: int, n: int) -> bool:
    return device_type == "cpu" and dtype in (torch.float32, torch.float64) and 4 * entries < n * n


def _compress(rows: Tensor, cols: Tensor, n: int) -> list[Tensor]:
    order = torch.argsort(rows * n + cols)
    starts = torch.searchsorted(rows[order], torch.arange(n + 1, device=rows.device))
    return [starts.to(torch.int32), cols[order].to(torch.int32), order]


@unstructured_product.register_fake
def _(entries, z, structure, transposed):
    return z.new_empty(z.shape)


@unstructured_sddmm.register_fake
def _(h, z, structure):
    return h.new_empty(structure[2].shape)


def _save_product(ctx, inputs, output):
    entries, z, structure, ctx.transposed = inputs
    ctx.save_for_backward(entries, z, *structure)


def _product_gradients(ctx, grad):
    entries, z, *structure = ctx.saved_tensors
    h, z = (z, grad) if ctx.transposed else (grad, z)
    wanted = ctx.needs_input_grad
    grad_entries = unstructured_sddmm(h, z, structure) if wanted[0] else None
    grad_z = unstructured_product(entries, grad, structure, not ctx.transposed) if wanted[1] else None
    return grad_entries, grad_z, [None] * len(structure), None


def _save_sddmm(ctx, inputs, output):
    h, z, structure = inputs
    ctx.save_for_backward(h, z, *structure)


def _sddmm_gradients(ctx, grad):
    h, z, *structure = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    grad_h = unstructured_product(grad, z, structure, False) if wanted[0] else None
    grad_z = unstructured_product(grad, h, structure, True) if wanted[1] else None
    return grad_h, grad_z, [None] * len(structure)


unstructured_product.register_autograd(_product_gradients, setup_context=_save_product)
unstructured_sddmm.register_autograd(_sddmm_gradients, setup_context=_save_sddmm)


@register_flop_formula(torch.ops.frod_bench.unstructured_product, get_raw=True)
def _product_flops(entries, z, structure, transposed, **_) -> int:
    n, tokens = z.shape
    sparse = _sparse_is_fast(z.device.type, z.dtype, entries.numel(), n)
    return 0 if sparse else 2 * cost.dense_square_product(n, tokens)


@register_flop_formula(torch.ops.frod_bench.unstructured_sddmm, get_raw=True)
def _sddmm_flops(h, z, structure, **_) -> int:
    n, tokens = z.shape
    sparse = _sparse_is_fast(z.device.type, z.dtype, structure[2].numel(), n)
    return 0 if sparse else 2 * cost.dense_square_product(n, tokens)
