"""The products with M = diag(d) + S, for any kind of pattern."""

import torch
from torch import Tensor

from frod_bench.ops.diag_sparse.pattern import Pattern


def diag_sparse_product(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S) z [n, T] of values [nnz], d [n] and z [n, T]."""
    if not pattern.nnz:
        return diagonal[:, None] * z
    return pattern.product(torch.cat([values, diagonal]), z, False)


def diag_sparse_product_transposed(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S)^T z [n, T] of values [nnz], d [n] and z [n, T]."""
    if not pattern.nnz:
        return diagonal[:, None] * z
    return pattern.product(torch.cat([values, diagonal]), z, True)


def sddmm(pattern: Pattern, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entries of h z^T on the pattern [nnz] and on the diagonal [n], of h [n, T] and z [n, T].

    This sampled dense-dense product is the gradient of the values and of d, with h the gradient of M z.
    """
    if not pattern.nnz:
        return h.new_zeros(0), torch.linalg.vecdot(h, z)
    entries = pattern.sddmm(h, z)
    return entries[: pattern.nnz], entries[pattern.nnz :]
