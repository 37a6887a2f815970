"""The block tensor-train of a weight with one output block (FuRA), from one singular value decomposition a block.

    W = [W_1 ... W_q] in [m, n],  W_i = L_i diag(s_i) R_i^T in [m, b],  b = n / q,  k = min(m, b)

All k triplets of every block are kept, so the factors are W to rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


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
    """Return the factors of a weight [m, n] in float32."""
    m, n = weight.shape
    blocks = weight.detach().float().view(m, block_count(n), -1).transpose(0, 1)
    L, s, Rt = torch.linalg.svd(blocks, full_matrices=False)
    return BlockFactors(L, s, Rt.transpose(1, 2).contiguous())
