"""The hierarchical joint decomposition of FRoD (arXiv 2512.23485, Eqs. 1-7; Kempf et al. 2023).

Shapes: layer i has W_i in [m_i, n]. A *group* of layers shares one right basis V in [n, n]:

    [W_1; ...; W_L] = Q R                       thin QR, Q_i the rows of layer i          (Eq. 2)
    T = mean over blocks b of (Q_b^T Q_b + pi I)^-1,  T = Z diag(.) Z^T                   (Eqs. 3, 4)
    V^T = Z^T R,  B_i = Q_i Z,  Sigma_i = column norms of B_i,  U_i = B_i / Sigma_i       (Eqs. 5, 6)

so W_i = U_i diag(Sigma_i) V^T. A block is one layer in the reading of the released code and one category
of modules in the paper's text; with one QR per category and the average taken over categories, Eq. 3 is
a multiple of the identity, so the average has to run over parts of one QR.

B_i = Q_i Z is used as it stands rather than solved from V, so the identity also holds for a stack without
full column rank, and rounding V to float32 costs no more than the rounding itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

DEFAULT_PI = 1e-3  # the ridge of Eq. 3 in the released code


@dataclass
class JointFactors:
    """Factors of one group of layers; all float64 on the device of the weights."""

    V: Tensor  # [n, n], shared
    U: list[Tensor]  # L of [m_i, n]; unit columns, a zero column where the layer has no energy
    sigma: list[Tensor]  # L of [n]

    def reconstruct(self, i: int) -> Tensor:
        """Return U_i diag(Sigma_i) V^T [m_i, n]."""
        return (self.U[i] * self.sigma[i]) @ self.V.T


def joint_decomposition(
    weights: Sequence[Tensor], blocks: Sequence[int] | None = None, pi: float = DEFAULT_PI
) -> JointFactors:
    """Factor layers W_i [m_i, n] over one shared basis V [n, n].

    `blocks[i]` names the part of Eq. 3's average that layer i belongs to; every layer is its own block by
    default. With fewer stacked rows than inputs the thin QR has no n x n factor: V is then the full set of
    right singular vectors of the stack, as in PEFT, and the directions that no layer uses have Sigma = 0
    and a zero column in U.
    """
    stack = torch.cat([w.detach().to(torch.float64) for w in weights])
    n, rows = stack.shape[1], [w.shape[0] for w in weights]
    if stack.shape[0] < n:
        _, singular_values, right = torch.linalg.svd(stack, full_matrices=True)
        V = right.T
        B = stack @ V
        rank = int((singular_values > singular_values[:1] * n * torch.finfo(torch.float64).eps).sum())
        B[:, rank:] = 0.0
        return _split(B.split(rows), V)
    Q, R = torch.linalg.qr(stack)
    layer_rows = Q.split(rows)
    blocks = list(range(len(weights))) if blocks is None else list(blocks)
    parts = [torch.cat([layer_rows[i] for i in _members(blocks, b)]) for b in sorted(set(blocks))]
    T = torch.zeros(n, n, dtype=torch.float64, device=stack.device)
    for part in parts:
        T += _ridge_inverse(part, pi) / len(parts)
    Z = torch.linalg.eigh(T).eigenvectors
    return _split([q @ Z for q in layer_rows], R.T @ Z)


def _members(blocks: list[int], block: int) -> list[int]:
    return [i for i, b in enumerate(blocks) if b == block]


def _ridge_inverse(Q: Tensor, pi: float) -> Tensor:
    """Return (Q^T Q + pi I)^-1 [n, n] of Q [m, n], through an [m, m] solve where m < n (Woodbury)."""
    m, n = Q.shape
    if m >= n:
        eye = torch.eye(n, dtype=Q.dtype, device=Q.device)
        return torch.cholesky_inverse(torch.linalg.cholesky(Q.T @ Q + pi * eye))
    eye = torch.eye(m, dtype=Q.dtype, device=Q.device)
    factor = torch.linalg.cholesky(Q @ Q.T + pi * eye)
    half = torch.linalg.solve_triangular(factor, Q, upper=False)  # [m, n]
    inverse = half.T @ half
    inverse.neg_().diagonal().add_(1.0)
    return inverse / pi


def _split(B: Sequence[Tensor], V: Tensor) -> JointFactors:
    """Divide every B_i [m, n] into unit columns and their norms (Eq. 6)."""
    sigma = [b.norm(dim=0) for b in B]
    U = [torch.where(s > 0, b / s.clamp_min(torch.finfo(s.dtype).tiny), 0.0) for b, s in zip(B, sigma, strict=True)]
    return JointFactors(V=V, U=U, sigma=sigma)
