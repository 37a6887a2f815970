"""Products with diag(d) + S, sparse where the device has a fast sparse product and dense elsewhere."""

import torch
from torch import Tensor

from frod_bench.ops.rotation.pattern import Pattern


def _sparse_is_fast(z: Tensor, pattern: Pattern) -> bool:
    # two CPU threads, density 0.02: 5 to 12 times faster than the dense product for n 384 and 1536 at 256
    # tokens, 1.3 times slower for n 3072 at 3200 tokens
    return z.device.type == "cpu" and z.dtype in (torch.float32, torch.float64) and pattern.nnz * 4 < pattern.n**2


def rotate(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S) z [n, T] of values [nnz], d [n] and z [n, T]."""
    if not pattern.nnz:
        return diagonal[:, None] * z
    if _sparse_is_fast(z, pattern):
        return pattern.csr(values, diagonal) @ z
    return pattern.dense(values, diagonal) @ z


def rotate_transposed(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S)^T z [n, T] of values [nnz], d [n] and z [n, T]."""
    if not pattern.nnz:
        return diagonal[:, None] * z
    if _sparse_is_fast(z, pattern):
        return pattern.csr_transposed(values, diagonal) @ z
    return pattern.dense(values, diagonal).T @ z


def sampled_gradient(pattern: Pattern, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entries of h z^T on the pattern [nnz] and on the diagonal [n], of h [n, T] and z [n, T]."""
    if not pattern.nnz:
        return h.new_zeros(0), torch.linalg.vecdot(h, z)
    if _sparse_is_fast(z, pattern):
        return pattern.split(torch.sparse.sampled_addmm(pattern.csr_like(h), h, z.T, beta=0.0).values())
    full = h @ z.T
    return full[pattern.rows, pattern.cols], full.diagonal()
