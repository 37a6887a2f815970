"""What FRoD's update dW = U (diag(delta) + S) V^T looks like: the paper's own quantities, computed in float64."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from torch import Tensor

from frod_bench.ops.rotation import Pattern, rotate, rotate_transposed


@dataclass(frozen=True)
class UpdateGeometry:
    """The update of one layer in numbers.

    on, off: ||U diag(delta) V^T||_F and ||U S V^T||_F; tan alpha is off / on (Corollary 3).
    cosine: between these two parts, 0 where one is zero. Eq. 15 states 0; with U and V not orthogonal it is near.
    spectral_norm: ||S||_2, by which Theorem 1 bounds the shift of every singular value of diag(sigma) + S.
    turned_deg [n]: the angle in degrees between u_k and U (diag(sigma) + S) e_k, how far component k was turned.
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
    U: Tensor, Vt: Tensor, pattern: Pattern, values: Tensor, sigma: Tensor, sigma_initial: Tensor
) -> UpdateGeometry:
    """Return the geometry of a layer of U [m, n], V^T [n, n], values [nnz], sigma and its start [n]."""
    U, Vt, values, sigma = U.double(), Vt.double(), values.double(), sigma.double()
    delta = sigma - sigma_initial.double()
    off = U @ rotate(pattern, values, torch.zeros_like(delta), Vt)
    on = (U * delta) @ Vt
    off_norm, on_norm = off.norm().item(), on.norm().item()
    product = off_norm * on_norm
    directions = rotate_transposed(pattern, values, sigma, U.T.contiguous())  # [n, m], row k is U M e_k
    before, after = torch.nn.functional.normalize(U.T, dim=1), torch.nn.functional.normalize(directions, dim=1)
    half = torch.atan2((after - before).norm(dim=1), (after + before).norm(dim=1))  # exact also near 0, unlike acos
    return UpdateGeometry(
        on=on_norm,
        off=off_norm,
        cosine=(off * on).sum().item() / product if product else 0.0,
        spectral_norm=_largest_singular_value(_sparse(pattern, values)),
        turned_deg=torch.rad2deg(2 * half),
        stable_rank=_stable_rank(off + on),
    )


@torch.no_grad()
def singular_value_shift(pattern: Pattern, values: Tensor, sigma: Tensor) -> float:
    """Return max_k |sigma_k(diag(sigma) + S) - sigma_k(diag(sigma))| in float64, which Theorem 1 (Eq. 14) bounds by
    ||S||_2; n^3 work."""
    rotated = torch.linalg.svdvals(pattern.dense(values.double(), sigma.double()))
    return (rotated - sigma.double().abs().sort(descending=True).values).abs().max().item()


def _sparse(pattern: Pattern, values: Tensor) -> csr_array:
    places = (pattern.rows.cpu().numpy(), pattern.cols.cpu().numpy())
    return csr_array((values.cpu().numpy(), places), shape=(pattern.n, pattern.n))


def _stable_rank(update: Tensor) -> float:
    largest = _largest_singular_value(update.cpu().numpy())
    return (update.norm().item() / largest) ** 2 if largest else 0.0


def _largest_singular_value(matrix: csr_array | np.ndarray) -> float:
    if min(matrix.shape) < 3 or not abs(matrix).max():  # too small for an iteration, or zero
        dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        return float(np.linalg.norm(dense, 2))
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    return float(svds(matrix, k=1, v0=start, tol=1e-4, return_singular_vectors=False)[0])
