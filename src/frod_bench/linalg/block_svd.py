"""The block tensor-train of a weight with one output block (FuRA), from one singular value decomposition per block.

    W = [W_1 ... W_q] in [m, n],  W_i = L_i diag(s_i) R_i^T in [m, b],  b = n / q,  k = min(m, b)

All k triplets of every block are kept, so the factors reproduce W to rounding. The sign of a pair of singular vectors
is free and differs between machines, and rounding to four bits depends on it: the largest entry of every left vector
is made positive.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from frod_bench.linalg.signs import largest_signs


@dataclass
class BlockFactors:
    """Factors of one weight."""

    L: Tensor  # [q, m, k], orthonormal columns
    s: Tensor  # [q, k], descending
    R: Tensor  # [q, b, k], orthonormal columns


def block_count(n: int) -> int:
    """Return q: the largest divisor of n that is at most its square root."""
    return next(q for q in range(int(n**0.5), 0, -1) if n % q == 0)


def block_factors(weight: Tensor) -> BlockFactors:
    """Return the factors of a weight [m, n] in its dtype, or in float32 if that is a lower one."""
    m, n = weight.shape
    exact = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    blocks = exact.view(m, block_count(n), -1).transpose(0, 1)
    L, s, Rt = torch.linalg.svd(blocks, full_matrices=False)
    sign = largest_signs(L)
    return BlockFactors(L * sign, s, (Rt.transpose(1, 2) * sign).contiguous())
