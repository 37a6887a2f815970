"""Products with diag(d) + S, sparse where the device has a fast sparse product and dense elsewhere."""

import torch
from torch import Tensor

from frod_bench.ops.rotation.pattern import Pattern


def _sparse_is_fast(z: Tensor, pattern: Pattern) -> bool:
    # measured on CPU: at density 0.02 a CSR product is 4 to 12 times faster than the dense one
    return z.device.type == "cpu" and z.dtype in (torch.float32, torch.float64) and pattern.nnz * 4 < pattern.n**2


def rotate(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S) z [n, T] of values [nnz], d [n] and z [n, T]."""
    if _sparse_is_fast(z, pattern):
        return torch.addcmul(pattern.csr(values) @ z, diagonal[:, None], z) if pattern.nnz else diagonal[:, None] * z
    return _dense(pattern, values, diagonal) @ z


def rotate_transposed(pattern: Pattern, values: Tensor, diagonal: Tensor, z: Tensor) -> Tensor:
    """Return (diag(d) + S)^T z [n, T] of values [nnz], d [n] and z [n, T]."""
    if _sparse_is_fast(z, pattern):
        if not pattern.nnz:
            return diagonal[:, None] * z
        return torch.addcmul(pattern.csr_transposed(values) @ z, diagonal[:, None], z)
    return _dense(pattern, values, diagonal).T @ z


def sampled_gradient(pattern: Pattern, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the entries of h z^T on the pattern [nnz] and on the diagonal [n], of h [n, T] and z [n, T]."""
    diagonal = torch.linalg.vecdot(h, z)
    if not pattern.nnz:
        return h.new_zeros(0), diagonal
    if _sparse_is_fast(z, pattern):
        zeros = pattern.csr(h.new_zeros(pattern.nnz))
        return torch.sparse.sampled_addmm(zeros, h, z.T, beta=0.0).values(), diagonal
    return (h @ z.T)[pattern.rows, pattern.cols], diagonal


def _dense(pattern: Pattern, values: Tensor, diagonal: Tensor) -> Tensor:
    out = pattern.dense(values)
    out.diagonal().copy_(diagonal)
    return out
