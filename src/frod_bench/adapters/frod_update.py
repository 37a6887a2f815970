"""The geometry of FRoD's update dW = L (diag(delta) + S) R, in the quantities of the paper, where L = U and R = V^T.

The two parts of dW are computed in float32, or in float64 if L is; everything else in float64.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import eigsh, svds
from torch import Tensor

from frod_bench.ops.diag_sparse import Pattern, diag_sparse_product, diag_sparse_product_transposed


@dataclass(frozen=True)
class UpdateGeometry:
    """The update of one layer, as numbers.

    on, off: ||L diag(delta) R||_F and ||L S R||_F; tan alpha is off / on (Corollary 3).
    cosine: between these two parts; 0 if one is zero. Eq. 15 states 0, which holds only nearly, as U and V are not
        orthogonal.
    spectral_norm: ||S||_2, by which Theorem 1 bounds the shift of every singular value of diag(sigma) + S.
    turned_deg [k]: the angle in degrees between column j of L and L (diag(sigma) + S) e_j, by which S has turned
        component j.
    stable_rank: ||dW||_F^2 / ||dW||_2^2, 0 before the first step.
    """

    on: float
    off: float
    cosine: float
    spectral_norm: float
    turned_deg: Tensor
    stable_rank: float


@torch.no_grad()
def update_geometry(
    L: Tensor, R: Tensor, pattern: Pattern, values: Tensor, sigma: Tensor, sigma_initial: Tensor
) -> UpdateGeometry:
    """Return the geometry of a layer with L [m, k], R [k, n], values [nnz], sigma [k] and sigma_initial [k]."""
    dtype = torch.promote_types(L.dtype, torch.float32)
    L, R, S, delta = (t.to(dtype) for t in (L, R, values, sigma - sigma_initial))
    off = L @ diag_sparse_product(pattern, S, torch.zeros_like(delta), R)
    on = (L * delta) @ R
    values, directions = values.double(), L.T.double().contiguous()  # [k, m], row j is column j of L
    turned = diag_sparse_product_transposed(pattern, values, sigma.double(), directions)  # row j is L M e_j
    off_norm, on_norm = _norm(off).item(), _norm(on).item()
    product = off_norm * on_norm
    before, after = (torch.nn.functional.normalize(rows, dim=1) for rows in (directions, turned))
    half = torch.atan2((after - before).norm(dim=1), (after + before).norm(dim=1))  # accurate near 0, where acos is not
    return UpdateGeometry(
        on=on_norm,
        off=off_norm,
        cosine=torch.sum(off * on, dtype=torch.float64).item() / product if product else 0.0,
        spectral_norm=_spectral_norm(_sparse(pattern, values)),
        turned_deg=torch.rad2deg(2 * half),
        stable_rank=_stable_rank(off + on),
    )


@torch.no_grad()
def singular_value_shift(pattern: Pattern, values: Tensor, sigma: Tensor) -> float:
    """Return max_k |sigma_k(diag(sigma) + S) - sigma_k(diag(sigma))| in float64, with O(n^3) operations.

    Theorem 1 (Eq. 14) bounds it by ||S||_2.
    """
    moved = torch.linalg.svdvals(pattern.dense(values.double(), sigma.double()))
    return (moved - sigma.double().abs().sort(descending=True).values).abs().max().item()


def _sparse(pattern: Pattern, values: Tensor) -> csr_array:
    places = (pattern.rows.cpu().numpy(), pattern.cols.cpu().numpy())
    return csr_array((values.cpu().numpy(), places), shape=(pattern.n, pattern.n))


def _stable_rank(update: Tensor) -> float:
    size = _norm(update)
    if not size:
        return 0.0
    unit = (update if update.shape[0] < update.shape[1] else update.T) / size.to(update.dtype)
    gram = (unit @ unit.T).cpu().numpy()  # its trace is 1; an iteration costs min(m, n)^2
    if len(gram) < 3:
        return float(1 / np.linalg.norm(gram, 2))
    return float(1 / eigsh(gram, k=1, v0=_start(len(gram)), tol=1e-4, return_eigenvectors=False)[0])


def _norm(matrix: Tensor) -> Tensor:
    return torch.linalg.vector_norm(matrix, dtype=torch.float64)


def _spectral_norm(S: csr_array) -> float:
    if not np.isfinite(S.data).all():
        return float("nan")
    if S.shape[0] < 3 or not abs(S).max():  # zero, or too small for an iterative solver
        return float(np.linalg.norm(S.toarray(), 2))
    return float(svds(S, k=1, v0=_start(S.shape[0]), tol=1e-4, return_singular_vectors=False)[0])


def _start(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(n)
