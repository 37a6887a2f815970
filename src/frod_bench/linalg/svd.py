"""Parts of the singular value decomposition W = P diag(s) Q^T of a weight W [m, n], as two factors.

A part is a choice of singular triplets by number, 0 for the largest singular value. With k of them

    B = P_k diag(s_k)^1/2 in [m, k],   A = diag(s_k)^1/2 Q_k^T in [k, n],   B A = sum of the chosen triplets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from frod_bench.linalg.cache import stored


def singular_factors(weight: Tensor, triplets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return B [m, k] and A [k, n] of the chosen triplets, in float32."""
    P, s, Qt = torch.linalg.svd(weight.detach().float(), full_matrices=False)
    chosen = torch.tensor(triplets, device=weight.device)
    root = s[chosen].sqrt()
    return P[:, chosen] * root, root[:, None] * Qt[chosen]


def stored_singular_factors(
    weights: Sequence[Tensor], triplets: Sequence[Sequence[int]]
) -> list[tuple[Tensor, Tensor]]:
    """Return `singular_factors` of every weight with its own triplets, from the disk where they are known."""

    def compute() -> dict[str, Tensor]:
        factors = {}
        for i, (weight, chosen) in enumerate(zip(weights, triplets, strict=True)):
            factors[f"B.{i}"], factors[f"A.{i}"] = singular_factors(weight, chosen)
        return factors

    options = f"singular factors 1, triplets={[list(chosen) for chosen in triplets]}"
    factors = stored(weights, options, compute)
    return [(factors[f"B.{i}"].to(w.device), factors[f"A.{i}"].to(w.device)) for i, w in enumerate(weights)]


def minor_triplets(shape: Sequence[int], rank: int) -> list[int]:
    """Return the numbers of the `rank` smallest singular values of an [m, n] matrix."""
    return list(range(min(shape) - rank, min(shape)))


def leading_triplets(shape: Sequence[int], segments: int, size: int) -> list[int]:
    """Return the first `size` numbers of each of `segments` parts of equal length, part by part."""
    length = min(shape) // segments
    return [part * length + i for part in range(segments) for i in range(size)]
