"""The hierarchical joint decomposition of FRoD (arXiv 2512.23485, Eqs. 1-7; Kempf et al. 2023).

Shapes: layer i has W_i in [m_i, n]. A *group* of layers shares one right basis V in [n, n]:

    [W_1; ...; W_L] = Q R                       thin QR, Q_i the rows of layer i          (Eq. 2)
    T = mean over blocks b of (Q_b^T Q_b + pi I)^-1,  T = Z diag(.) Z^T                   (Eqs. 3, 4)
    V^T = Z^T R,  B_i = Q_i Z,  Sigma_i = column norms of B_i,  U_i = B_i / Sigma_i       (Eqs. 5, 6)

so W_i = U_i diag(Sigma_i) V^T. A block is one layer in the reading of the released code and one category
of modules in the paper's text; with one QR per category and the average taken over categories, Eq. 3 is
a multiple of the identity, so the average has to run over parts of one QR.

R comes from a Cholesky factor of the float64 Gram matrix while the stack is well conditioned, and then
B_i = W_i (R^-1 Z), layer by layer: of the stack and of Q one block at a time is held. Otherwise the stack is
factored by Householder QR and B_i = Q_i Z, which needs no inverse, so the identity also holds without full
column rank. Eigenvectors come with a free sign; the entry of largest size in every column of V is made
positive, so that two machines agree as long as no eigenvalues of T coincide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

DEFAULT_PI = 1e-3  # the ridge of Eq. 3 in the released code


# Forming the Gram matrix squares the condition number; up to here Q stays orthogonal to 1e-8 and better.
_MAX_CONDITION = 1e4


@dataclass
class JointFactors:
    """Factors of one group of layers, on the device of the weights; V and sigma are float64."""

    V: Tensor  # [n, n], shared
    U: list[Tensor]  # L of [m_i, n]; unit columns, a zero column where the layer has no energy
    sigma: list[Tensor]  # L of [n]

    def reconstruct(self, i: int) -> Tensor:
        """Return U_i diag(Sigma_i) V^T [m_i, n]."""
        return (self.U[i] * self.sigma[i]) @ self.V.T


def joint_decomposition(
    weights: Sequence[Tensor],
    blocks: Sequence[int] | None = None,
    pi: float = DEFAULT_PI,
    dtype: torch.dtype = torch.float64,
) -> JointFactors:
    """Factor layers W_i [m_i, n] over one shared basis V [n, n]; U is returned in `dtype`.

    `blocks[i]` names the part of Eq. 3's average that layer i belongs to; every layer is its own block by
    default. With fewer stacked rows than inputs the thin QR has no n x n factor: V is then the full set of
    right singular vectors of the stack, as in PEFT, and the directions that no layer uses have Sigma = 0
    and a zero column in U.
    """
    n = weights[0].shape[1]
    blocks = list(range(len(weights))) if blocks is None else list(blocks)
    members = [[i for i, b in enumerate(blocks) if b == block] for block in sorted(set(blocks))]
    if sum(w.shape[0] for w in weights) < n:
        return _few_rows(weights, dtype)
    factor = _triangular_factor(weights)
    if factor is None:
        return _by_householder(weights, members, pi, dtype)
    R, R_inverse = factor
    T = torch.zeros_like(R)
    for part in members:
        Q = torch.cat([_double(weights[i]) @ R_inverse for i in part])
        T += _ridge_inverse(Q, pi) / len(members)
    Z = torch.linalg.eigh(T).eigenvectors
    V = R.T @ Z
    sign = _signs(V)
    X = (R_inverse @ Z) * sign
    return _collect((_double(w) @ X for w in weights), V * sign, dtype)


def _triangular_factor(weights: Sequence[Tensor]) -> tuple[Tensor, Tensor] | None:
    """Return R and R^-1 [n, n] of the stack, or None where it is too badly conditioned for its Gram matrix."""
    gram = sum(_double(w).T @ _double(w) for w in weights)
    R, failed = torch.linalg.cholesky_ex(gram, upper=True)
    if failed.item():
        return None
    R_inverse = torch.linalg.solve_triangular(R, torch.eye(len(R), dtype=R.dtype, device=R.device), upper=True)
    condition = torch.linalg.matrix_norm(R, 1) * torch.linalg.matrix_norm(R_inverse, 1)
    return (R, R_inverse) if condition.item() <= _MAX_CONDITION * len(R) ** 0.5 else None


def _by_householder(weights: Sequence[Tensor], members: list[list[int]], pi: float, dtype: torch.dtype) -> JointFactors:
    Q, R = torch.linalg.qr(torch.cat([_double(w) for w in weights]))
    rows = Q.split([w.shape[0] for w in weights])
    T = sum(_ridge_inverse(torch.cat([rows[i] for i in part]), pi) for part in members) / len(members)
    Z = torch.linalg.eigh(T).eigenvectors
    V = R.T @ Z
    sign = _signs(V)
    return _collect((q @ Z * sign for q in rows), V * sign, dtype)


def _few_rows(weights: Sequence[Tensor], dtype: torch.dtype) -> JointFactors:
    stack = torch.cat([_double(w) for w in weights])
    _, singular_values, right = torch.linalg.svd(stack, full_matrices=True)
    V = right.T * _signs(right.T)
    rank = int((singular_values > singular_values[:1] * len(V) * torch.finfo(torch.float64).eps).sum())
    B = stack @ V
    B[:, rank:] = 0.0
    return _collect(B.split([w.shape[0] for w in weights]), V, dtype)


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


def _collect(B: Iterable[Tensor], V: Tensor, dtype: torch.dtype) -> JointFactors:
    """Divide every B_i [m, n] into unit columns and their norms (Eq. 6)."""
    factors = JointFactors(V=V, U=[], sigma=[])
    for b in B:
        sigma = b.norm(dim=0)
        factors.sigma.append(sigma)
        factors.U.append(torch.where(sigma > 0, b / sigma.clamp_min(torch.finfo(b.dtype).tiny), 0.0).to(dtype))
    return factors


def _signs(V: Tensor) -> Tensor:
    """Return the sign [n] of the largest entry of every column."""
    largest = V.gather(0, V.abs().argmax(dim=0, keepdim=True))[0]
    return torch.where(largest < 0, -1.0, 1.0).to(V.dtype)


def _double(weight: Tensor) -> Tensor:
    return weight.detach().to(torch.float64)
