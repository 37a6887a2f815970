"""Parts of the singular value decomposition W = P diag(s) Q^T of a weight W [m, n], each as two factors.

A part is a choice of k singular triplets by index, 0 for the largest singular value:

    B = P_k diag(s_k)^1/2 in [m, k],   A = diag(s_k)^1/2 Q_k^T in [k, n],   B A = sum of the chosen triplets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from frod_bench.linalg.cache import stored

_ROUNDING = 1e-4  # of a decomposition in float32, relative to the norm of the weight


def singular_factors(weight: Tensor, triplets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return B [m, k] and A [k, n] of the chosen triplets, in float32."""
    P, s, Qt = torch.linalg.svd(weight.detach().float(), full_matrices=False)
    chosen = torch.tensor(triplets, device=weight.device)
    root = s[chosen].sqrt()
    return P[:, chosen] * root, root[:, None] * Qt[chosen]


def stored_singular_factors(
    weights: Sequence[Tensor], triplets: Sequence[Sequence[int]]
) -> list[tuple[Tensor, Tensor]]:
    """Return `singular_factors` of every weight for its own triplets, from the disk if they are there."""

    def compute() -> dict[str, Tensor]:
        factors = {}
        for i, (weight, chosen) in enumerate(zip(weights, triplets, strict=True)):
            factors[f"B.{i}"], factors[f"A.{i}"] = singular_factors(weight, chosen)
        return factors

    def fits(factors: dict[str, Tensor]) -> bool:
        parts = [(factors[f"B.{i}"], factors[f"A.{i}"]) for i in range(len(weights))]
        sizes = all(len(A) == len(chosen) for (_, A), chosen in zip(parts, triplets, strict=True))
        return sizes and all(_are_factors(*part, weight) for part, weight in zip(parts, weights, strict=True))

    options = f"singular factors 1, triplets={[list(chosen) for chosen in triplets]}"
    factors = stored(weights, options, compute, fits)
    return [(factors[f"B.{i}"].to(w.device), factors[f"A.{i}"].to(w.device)) for i, w in enumerate(weights)]


def _are_factors(B: Tensor, A: Tensor, weight: Tensor) -> bool:
    """Return whether B [m, k] and A [k, n] are built from singular triplets of W [m, n]; any triplets will do."""
    W, B, A = weight.detach().float(), B.to(weight.device), A.to(weight.device)
    s = B.square().sum(dim=0)
    allowed = _ROUNDING * W.norm()
    return bool(
        (s.any() or not W.any())
        and ((A.square().sum(dim=1) - s).abs() <= allowed).all()
        and (W @ A.T - B * s).norm() <= allowed * A.norm()
        and (W.T @ B - A.T * s).norm() <= allowed * B.norm()
    )


def minor_triplets(shape: Sequence[int], rank: int) -> list[int]:
    """Return the indices of the `rank` smallest singular values of an [m, n] matrix."""
    return list(range(min(shape) - rank, min(shape)))


def leading_triplets(shape: Sequence[int], segments: int, size: int) -> list[int]:
    """Return the first `size` indices of each of `segments` equal parts of the spectrum, part by part."""
    length = min(shape) // segments
    return [part * length + i for part in range(segments) for i in range(size)]
