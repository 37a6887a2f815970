"""Structured sparsity, in blocks on the diagonal or in a band: batched products of small dense tiles.

Tile k holds rows k b to k b + b - 1 of M and columns k b - h to k b + b + h - 1, so it is [b, w] with w = b + 2 h; b
is the height, h the halo (0 for blocks). A product takes n w T multiply-adds and no indexing.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.flop_counter import register_flop_formula

from frod_bench.ops import cost
from frod_bench.ops.diag_sparse.direct import runs_directly
from frod_bench.ops.diag_sparse.pattern import Pattern

# cost of reading and writing a row, in multiply-adds, on two CPU threads
ROW_COST = 160


class TiledPattern(Pattern):
    """A pattern inside tiles; `structure` holds the position [nnz + n] of each entry in the tiles of M and of M^T."""

    def __init__(self, n: int, rows: Tensor, cols: Tensor, height: int, halo: int):
        self.height, self.halo = height, halo
        super().__init__(n, rows, cols)

    def index(self, rows: Tensor, cols: Tensor) -> list[Tensor]:
        """See `Pattern.index`."""
        return [self._slots(rows, cols), self._slots(cols, rows)]

    def to(self, device: torch.device) -> "TiledPattern":
        """See `Pattern.to`."""
        if self.rows.device == device:
            return self
        return TiledPattern(self.n, self.rows.to(device), self.cols.to(device), self.height, self.halo)

    def product(self, entries: Tensor, z: Tensor, transposed: bool) -> Tensor:
        """See `Pattern.product`."""
        call = _product if runs_directly(z) else tiled_product
        return call(entries, z, self.structure, self.height, self.halo, transposed)

    def sddmm(self, h: Tensor, z: Tensor) -> Tensor:
        """See `Pattern.sddmm`."""
        call = _sddmm if runs_directly(z) else tiled_sddmm
        return call(h, z, self.structure, self.height, self.halo)

    def column_cost(self, dtype: torch.dtype, device_type: str) -> float:
        """See `Pattern.column_cost`."""
        return float(self.n * (self.height + 2 * self.halo + ROW_COST))

    def _slots(self, rows: Tensor, cols: Tensor) -> Tensor:
        start = rows // self.height * self.height
        return rows * (self.height + 2 * self.halo) + cols - start + self.halo


def _product(entries: Tensor, z: Tensor, structure: list[Tensor], height: int, halo: int, transposed: bool) -> Tensor:
    """Return M z or M^T z [n, T] of the entries [nnz + n] of M, z [n, T] and `TiledPattern.structure`."""
    n, tokens = z.shape
    tiles, width = -(-n // height), height + 2 * halo
    M = z.new_zeros(tiles * height * width).index_put_((structure[transposed],), entries)
    out = torch.bmm(M.view(tiles, height, width), _windows(z, height, halo))
    return out.view(tiles * height, tokens)[:n]


def _sddmm(h: Tensor, z: Tensor, structure: list[Tensor], height: int, halo: int) -> Tensor:
    """Return the entries [nnz + n] of h z^T, of h and z [n, T] and `TiledPattern.structure`."""
    return torch.bmm(_windows(h, height, 0), _windows(z, height, halo).mT).take(structure[0])


tiled_product = torch.library.custom_op("frod_bench::tiled_product", _product, mutates_args=())
tiled_sddmm = torch.library.custom_op("frod_bench::tiled_sddmm", _sddmm, mutates_args=())


def _windows(z: Tensor, height: int, halo: int) -> Tensor:
    """Return the rows of z [n, T] that each tile reads, [tiles, height + 2 halo, T]; they overlap."""
    missing = -len(z) % height
    if not (halo or missing):
        return z.reshape(-1, height, z.shape[1])
    return pad(z, (0, 0, halo, halo + missing)).unfold(0, height + 2 * halo, height).mT


@tiled_product.register_fake
def _(entries, z, structure, height, halo, transposed):
    return z.new_empty(z.shape)


@tiled_sddmm.register_fake
def _(h, z, structure, height, halo):
    return h.new_empty(structure[0].shape)


def _save_product(ctx, inputs, output):
    entries, z, structure, ctx.height, ctx.halo, ctx.transposed = inputs
    ctx.save_for_backward(entries, z, *structure)


def _product_gradients(ctx, grad):
    entries, z, *structure = ctx.saved_tensors
    h, z = (z, grad) if ctx.transposed else (grad, z)
    tile, wanted = (ctx.height, ctx.halo), ctx.needs_input_grad
    grad_entries = tiled_sddmm(h, z, structure, *tile) if wanted[0] else None
    grad_z = tiled_product(entries, grad, structure, *tile, not ctx.transposed) if wanted[1] else None
    return grad_entries, grad_z, [None] * len(structure), None, None, None


def _save_sddmm(ctx, inputs, output):
    h, z, structure, ctx.height, ctx.halo = inputs
    ctx.save_for_backward(h, z, *structure)


def _sddmm_gradients(ctx, grad):
    h, z, *structure = ctx.saved_tensors
    tile, wanted = (ctx.height, ctx.halo), ctx.needs_input_grad
    grad_h = tiled_product(grad, z, structure, *tile, False) if wanted[0] else None
    grad_z = tiled_product(grad, h, structure, *tile, True) if wanted[1] else None
    return grad_h, grad_z, [None] * len(structure), None, None


tiled_product.register_autograd(_product_gradients, setup_context=_save_product)
tiled_sddmm.register_autograd(_sddmm_gradients, setup_context=_save_sddmm)


@register_flop_formula(torch.ops.frod_bench.tiled_product, get_raw=True)
def _product_flops(entries, z, structure, height, halo, transposed, **_) -> int:
    n, tokens = z.shape
    return 2 * cost.tiled_product(n, tokens, height, halo)


@register_flop_formula(torch.ops.frod_bench.tiled_sddmm, get_raw=True)
def _sddmm_flops(h, z, structure, height, halo, **_) -> int:
    n, tokens = z.shape
    return 2 * cost.tiled_product(n, tokens, height, halo)
