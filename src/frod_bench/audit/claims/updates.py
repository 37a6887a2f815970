"""Equations 13 to 17: the two parts of the update, the theorem's bound, and the rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from frod_bench.audit.bases import Group, groups
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

    from frod_bench.ops.diag_sparse import Pattern

_DENSITY = 0.02
_DRAWS = 5
_ORTHOGONAL = 1e-5  # |cosine| of two parts that are orthogonal to float32
_SMALL = 0.05  # ||S||_2 over the largest Sigma, in the check of directions
_WIDEST = 768  # n above which a full singular value decomposition takes seconds


def _parts(group: Group, draw: int) -> tuple[Pattern, Tensor, Tensor]:
    """Return a pattern of S [n, n], its values [nnz] and a change of Sigma [n], normal and independent."""
    import torch

    from frod_bench.ops.diag_sparse import random_pattern

    pattern = random_pattern(group.width, _DENSITY, draw, group.category)
    generator = torch.Generator().manual_seed(draw)
    values = torch.randn(pattern.nnz, generator=generator, dtype=torch.float64)
    return pattern, values, torch.randn(group.width, generator=generator, dtype=torch.float64)


def _orthogonal_parts(evidence: Evidence) -> Finding:
    detail = tuple((g.backbone, g.category, max(_cosines(g))) for g in groups(evidence))
    cosines = [run.metrics[-1].get("cosine") for run in evidence.frod_runs()]
    trained = [abs(cosine) for cosine in cosines if cosine is not None]
    worst = max(row[2] for row in detail)
    seen = f" In {len(trained)} trained runs of ours it is up to {max(trained):.3f}." if trained else ""
    return Finding(
        verdict(max([worst, *trained]) < _ORTHOGONAL),
        f"With normal random changes of Sigma and S at density {_DENSITY}, {_DRAWS} draws on the first layer of every"
        f" category, |cosine| of the two parts is up to {worst:.3f}; it would vanish if U^T U and V^T V were diagonal."
        f"{seen}",
        ("backbone", "category", "largest |cosine|"),
        detail,
    )


def _cosines(group: Group) -> Iterator[float]:
    U, V = group.factors.U[0].double(), group.factors.V
    for draw in range(_DRAWS):
        pattern, values, delta = _parts(group, draw)
        on, off = (U * delta) @ V.T, U @ pattern.dense(values) @ V.T
        yield ((on * off).sum() / (on.norm() * off.norm())).abs().item()


def _narrow(evidence: Evidence) -> list[Group]:
    return [g for g in groups(evidence) if g.width <= _WIDEST]


def _bound(evidence: Evidence) -> Finding:
    from frod_bench.adapters.frod_update import singular_value_shift

    detail = []
    for g in _narrow(evidence):
        pattern, values, _ = _parts(g, 0)
        norm = _norm(pattern, values)
        for size in (0.01, 0.1, 1.0):  # of the largest Sigma
            scaled = values * size * g.factors.sigma[0].max() / norm
            shift = singular_value_shift(pattern, scaled, g.factors.sigma[0])
            detail.append((g.backbone, g.category, size, shift / _norm(pattern, scaled)))
    worst = max(row[3] for row in detail)
    return Finding(
        verdict(worst <= 1 + 1e-9),
        f"For S of 0.01, 0.1 and 1 times the largest Sigma in norm, on the first layer of"
        f" {len(detail) // 3} categories, the largest shift of a singular value is at most {worst:.2f} of"
        " ||S||_2. (This is Weyl's inequality; it needs neither sparsity nor small entries.)",
        ("backbone", "category", "||S||_2 / max Sigma", "largest shift / ||S||_2"),
        tuple(detail),
    )


def _norm(pattern: Pattern, values: Tensor) -> float:
    import torch

    return torch.linalg.matrix_norm(pattern.dense(values), 2).item()


def _directions(evidence: Evidence) -> Finding:
    detail = []
    for g in _narrow(evidence):
        sigma = g.factors.sigma[0]
        pattern, values, _ = _parts(g, 0)
        S = pattern.dense(values * _SMALL * sigma.max() / _norm(pattern, values))
        gap = _gap(sigma)
        detail.append((g.backbone, g.category, _SMALL * sigma.max().item(), _sine(sigma, S), gap, _coupled(sigma, gap)))
    broken = [row for row in detail if row[3] > row[2] or row[5] > row[4]]
    return Finding(
        verdict(not broken),
        f"A bound on singular values is none on their directions: neighbouring values of Sigma lie close (the two"
        f" largest differ by {min(r[4] for r in detail):.0e} to {max(r[4] for r in detail):.0e}). A random S of density"
        f" {_DENSITY} with ||S||_2 = {_SMALL} max Sigma turns the leading direction by an angle of sine"
        f" {min(r[3] for r in detail):.2f} to {max(r[3] for r in detail):.2f}; an S of two entries as large as that gap"
        f" turns it by one of sine {detail[0][5]:.2f}. One or both exceed ||S||_2 in"
        f" {len(broken)} of {len(detail)} categories.",
        ("backbone", "category", "||S||_2", "sine, random S", "gap = ||S||_2 of two entries", "sine, two entries"),
        tuple(detail),
    )


def _gap(sigma: Tensor) -> float:
    first, second = sigma.topk(2).values
    return (first - second).item()


def _sine(sigma: Tensor, S: Tensor) -> float:
    """Return the sine of the angle by which S turns the leading right singular direction of diag(sigma)."""
    import torch

    right = torch.linalg.svd(sigma.diag() + S).Vh[0]
    return (1 - right[sigma.argmax()].square()).clamp_min(0).sqrt().item()


def _coupled(sigma: Tensor, gap: float) -> float:
    import torch

    p, q = sigma.topk(2).indices
    S = torch.zeros(len(sigma), len(sigma), dtype=sigma.dtype)
    S[p, q] = S[q, p] = gap
    return _sine(sigma, S)


def _full_rank(evidence: Evidence) -> Finding:
    import torch

    detail = []
    for g in _narrow(evidence):
        pattern, values, delta = _parts(g, 0)
        U, V = g.factors.U[0].double(), g.factors.V
        S = pattern.dense(values)
        ranks = [torch.linalg.matrix_rank(U @ M @ V.T).item() for M in (delta.diag() + S, S)]
        detail.append((g.backbone, g.category, min(U.shape), *ranks))
    return Finding(
        verdict(all(row[3] == row[2] for row in detail)),
        f"With normal random values at density {_DENSITY}, U (dSigma + S) V^T has the full rank min(m, n) in"
        f" {sum(r[3] == r[2] for r in detail)} of {len(detail)} categories, and U S V^T alone in"
        f" {sum(r[4] == r[2] for r in detail)}. LoRA's update has rank r.",
        ("backbone", "category", "min(m, n)", "rank of the update", "rank with S alone"),
        tuple(detail),
    )


CLAIMS = (
    Claim(
        "eq15",
        "the two update components are orthogonal in the Frobenius inner product",
        "The cosine of the on-axis and the off-axis update is 0.",
        "paper, Corollary 2, Eq. 15",
        _orthogonal_parts,
    ),
    Claim(
        "theorem1-bound",
        "Spectral Stability Under Sparse Perturbations",
        "No singular value of Sigma + S is further than ||S||_2 from that of Sigma.",
        "paper, Theorem 1, Eq. 14",
        _bound,
    ),
    Claim(
        "theorem1-directions",
        "so the dominant singular directions [...] are preserved up to a deviation bounded by",
        "S turns the leading singular direction of Sigma by an angle of a sine of at most ||S||_2.",
        "paper, Theorem 1",
        _directions,
    ),
    Claim(
        "full-rank",
        "flexible full-rank updates",
        "U (dSigma + S) V^T has the full rank min(m, n).",
        "paper, abstract",
        _full_rank,
    ),
)
