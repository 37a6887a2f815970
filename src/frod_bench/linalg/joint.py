"""The hierarchical joint decomposition of FRoD (arXiv 2512.23485, Eqs. 1-7; Kempf et al. 2023).

Shapes: layer i has W_i in [m_i, n]. A *group* of layers shares one right basis V in [n, n]:

    [W_1; ...; W_L] = Q R                       thin QR, Q_i the rows of layer i          (Eq. 2)
    T = mean over blocks b of (Q_b^T Q_b + pi I)^-1,  T = Z diag(.) Z^T                   (Eqs. 3, 4)
    V^T = Z^T R,  B_i = Q_i Z,  Sigma_i = column norms of B_i,  U_i = B_i / Sigma_i       (Eqs. 5, 6)

so W_i = U_i diag(Sigma_i) V^T. A block is one layer in the released code and one category of modules in the paper's
text. With one QR per category and the average taken over categories, Eq. 3 would be a multiple of the identity, so the
average has to run over parts of one QR. In a group with a single block, such as a layer alone, or with as many rows as
inputs, rounding would decide Z: there Z is the left singular vectors of R, and the columns of V are orthogonal.

If the stack is well conditioned, R is the Cholesky factor of its float64 Gram matrix, and Q_i follows from W_i by a
triangular solve, layer by layer. Otherwise the stack is factored by Householder QR, which needs no inverse, so the
identity holds without full column rank too. For weights in single precision or below, Q_i, T and Z are in float32 where
that does not hurt the identity: R is exact to float32 and Z is made orthogonal to rounding, so only the choice of
directions in Z carries a float32 error, relative to the gaps between the eigenvalues of T. The sign of an eigenvector
is free; the largest entry in every column of V is made positive, so that two machines agree as long as no eigenvalues
of T coincide.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from scipy.linalg.lapack import dtrcon
from torch import Tensor

from frod_bench.linalg.shapes import has_data
from frod_bench.linalg.signs import largest_signs
from frod_bench.linalg.symmetric import add_gram, eigenvectors

DEFAULT_PI = 1e-3  # the ridge of Eq. 3 in the released code
MIN_PI = 1e-10  # the smallest ridge above rounding in float64
_MIN_PI_FLOAT32 = 1e-4

# forming the Gram matrix squares the condition number; up to this one Q stays orthogonal to 1e-8
_MAX_CONDITION = 1e4
_MAX_CONDITION_FLOAT32 = 3e2  # up to this one a float32 Q stays orthogonal to 1e-5


def decomposition_cost(n: int, rows: int) -> float:
    """Return about what a group with n inputs and so many rows costs, in multiply-adds; eigenvectors are the n^3."""
    return n * n * (rows + 2.0 * n)


@dataclass
class JointFactors:
    """Factors of one group of layers, on the device of the weights; V and sigma are float64."""

    V: Tensor  # [n, n], shared
    U: list[Tensor]  # L of [m_i, n]; unit columns, a zero column where the layer has no energy
    sigma: list[Tensor]  # L of [n]


def joint_decomposition(
    weights: Sequence[Tensor],
    blocks: Sequence[int] | None = None,
    pi: float = DEFAULT_PI,
    dtype: torch.dtype = torch.float64,
    in_memory: bool = True,
) -> JointFactors:
    """Factor layers W_i [m_i, n] over one shared basis V [n, n]; U is returned in `dtype`.

    `blocks[i]` names the part of Eq. 3's average that layer i belongs to; every layer is its own block by
    default. With fewer stacked rows than inputs the thin QR has no n x n factor: V is then the full set of
    right singular vectors of the stack, as in PEFT, and the directions that no layer uses have Sigma = 0
    and a zero column in U.

    With `in_memory=False` each weight is read several times and released in between, and every Q_i is computed twice
    instead of stored, so that only one layer is in memory beside the factors. The two rare cases without a triangular
    factor still stack all layers.
    """
    n = weights[0].shape[1]
    blocks = list(range(len(weights))) if blocks is None else list(blocks)
    members = [[i for i, b in enumerate(blocks) if b == block] for block in sorted(set(blocks))]
    rows = sum(w.shape[0] for w in weights)
    if rows <= n:  # of as many, Q is square and orthogonal, so T is a multiple of the identity whatever the blocks
        return _few_rows(weights, dtype)
    R, condition = _triangular_factor(weights)
    if condition > _MAX_CONDITION:
        return _by_householder(weights, members, pi, dtype)
    R = R.to(torch.float32 if _single_will_do(weights, condition) and pi >= _MIN_PI_FLOAT32 else torch.float64)
    Q: Sequence[Tensor] = _Solved(weights, R)
    stored = list(Q) if in_memory else []
    Z = _eigenbasis(R, condition, stored or Q, members, pi)
    V = R.T @ Z
    sign = largest_signs(V)
    Z *= sign
    each = (stored.pop(0) for _ in weights) if in_memory else Q
    return _collect((q @ Z for q in each), (V * sign).double(), dtype)


class _Solved(Sequence[Tensor]):
    """Q_i = W_i R^-1 [m_i, n] of every layer, computed on access."""

    def __init__(self, weights: Sequence[Tensor], R: Tensor):
        self.weights, self.R = weights, R

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]  # no slices
        weight = self.weights[i].detach().to(self.R.dtype)
        return torch.linalg.solve_triangular(self.R, weight, upper=True, left=False)

    def __len__(self) -> int:
        return len(self.weights)


@torch.no_grad()
def reconstruction_errors(
    weights: Iterable[Tensor], U: Iterable[Tensor], sigma: Iterable[Tensor], Vt: Tensor, columns: int = 64
) -> Tensor:
    """Return ||U_i diag(Sigma_i) V^T - W_i||_F of every layer [L], relative to the larger of the two norms.

    The products are in float32, or in float64 if W is. Squared norms are estimated without bias from `columns` random
    columns; 64 give the ratio to a few percent for an error without structure. Products that overflow give NaN.
    """
    dtype = torch.promote_types(Vt.dtype, torch.float32)
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(Vt.shape[1], columns, generator=generator).to(Vt.device, dtype)
    projected = Vt.to(dtype) @ probe
    errors = []
    for W, u, s in zip(weights, U, sigma, strict=True):
        wanted = (W.to(dtype) @ probe).double()  # its range holds the squares of small and large weights
        rebuilt = (u.to(dtype) @ (s.to(dtype)[:, None] * projected)).double()
        size = torch.maximum(wanted.norm(), rebuilt.norm()).clamp_min(torch.finfo(torch.float64).tiny)
        errors.append(((rebuilt - wanted).norm() / size).float())
    return torch.stack(errors)


def _single_will_do(weights: Sequence[Tensor], condition: float) -> bool:
    return weights[0].dtype != torch.float64 and condition <= _MAX_CONDITION_FLOAT32


def _triangular_factor(weights: Sequence[Tensor]) -> tuple[Tensor, float]:
    """Return R [n, n] of the stack in float64 and an estimate of its condition; inf where R does not exist."""
    gram = weights[0].new_zeros(weights[0].shape[1], weights[0].shape[1], dtype=torch.float64)
    for w in weights:
        add_gram(gram, w.detach().double())
    R, failed = torch.linalg.cholesky_ex(gram, upper=True)
    return R, float("inf") if has_data(R) and failed.item() else _condition(R)


def _condition(R: Tensor) -> float:
    """Return an estimate of the condition of the upper triangular R, 1 if it has no values."""
    if not has_data(R):
        return 1.0
    reciprocal, _ = dtrcon(R.double().cpu().numpy())  # in the 1-norm, about sqrt(n) times that in the 2-norm
    return 1.0 / (reciprocal * len(R) ** 0.5) if reciprocal else float("inf")


def _eigenbasis(R: Tensor, condition: float, Q: Sequence[Tensor], members: list[list[int]], pi: float) -> Tensor:
    """Return Z [n, n] of Eq. 4."""
    if len(members) == 1:
        well = condition <= _MAX_CONDITION
        return _left_vectors(R) if well else torch.linalg.svd(R.double()).U.to(R.dtype)
    return eigenvectors(_mean_ridge_inverse(Q, members, pi))


def _left_vectors(R: Tensor) -> Tensor:
    """Return the left singular vectors [n, n] of R, from R R^T: those of values below 1e-8 of the largest may mix."""
    gram, largest = R.new_zeros(R.shape), R.abs().max().clamp_min(torch.finfo(R.dtype).tiny)
    add_gram(gram, (R / largest).T)  # whose entries would overflow in float32
    return eigenvectors(gram).flip(1)


def _by_householder(weights: Sequence[Tensor], members: list[list[int]], pi: float, dtype: torch.dtype) -> JointFactors:
    used = [i for i, w in enumerate(weights) if w.any()] or list(range(len(weights)))
    if sum(weights[i].shape[0] for i in used) < weights[0].shape[1]:
        return _few_rows(weights, dtype)
    Q, R = torch.linalg.qr(torch.cat([_double(weights[i]) for i in used]))
    parts = dict(zip(used, Q.split([weights[i].shape[0] for i in used]), strict=True))
    rows = [parts.get(i, torch.zeros_like(w, dtype=Q.dtype)) for i, w in enumerate(weights)]  # exact for zeros
    Z = _eigenbasis(R, float("inf"), rows, members, pi)
    V = R.T @ Z
    sign = largest_signs(V)
    return _collect((q @ Z * sign for q in rows), V * sign, dtype)


def _few_rows(weights: Sequence[Tensor], dtype: torch.dtype) -> JointFactors:
    """Return V = Q [Y 0; 0 I] of the stack A [r, n] with r <= n, where A^T = Q [R; 0] and Y are left vectors of R.

    V is orthogonal to rounding and A = (A V) V^T, whatever the condition; the singular values descend. With r = n and
    full rank its columns take the singular values from B, as Eqs. 5 and 6 have it.
    """
    stack = torch.cat([w.detach() for w in weights])
    reflectors, tau, R = _wide_factor(stack, torch.float32)
    if not _single_will_do(weights, _condition(R)):
        reflectors, tau, R = _wide_factor(stack, torch.float64)
    rows, n = stack.shape
    inner = torch.eye(n, dtype=R.dtype, device=R.device)
    inner[:rows, :rows] = _left_vectors(R)
    V = torch.ormqr(reflectors, tau, inner)
    V *= largest_signs(V)
    B = stack.to(V.dtype) @ V
    norms = torch.linalg.vector_norm(B, dim=0, dtype=torch.float64)
    used = norms > norms.max() * n * torch.finfo(V.dtype).eps
    B *= used  # the others are rounding
    if rows == n and (used.all() if has_data(used) else True):
        B, V = B / norms.to(B.dtype), V.double() * norms
    return _collect(B.split([w.shape[0] for w in weights]), V.double(), dtype)


def _wide_factor(stack: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return reflectors [n, r] and scales [r] of Q, and R [r, r], of the transposed stack [r, n]."""
    reflectors, tau = torch.geqrf(stack.T.to(dtype))
    return reflectors, tau, reflectors[: len(stack)].triu()


def _mean_ridge_inverse(Q: Sequence[Tensor], members: list[list[int]], pi: float) -> Tensor:
    """Return the upper triangle of T = mean_b (Q_b^T Q_b + pi I)^-1 [n, n] (Eq. 3), of L layers Q_i [m_i, n].

    A block of m < n rows needs an [m, m] solve only (Woodbury): (I - Q_b^T (pi I + Q_b Q_b^T)^-1 Q_b) / pi.
    """
    n, weight = Q[0].shape[1], 1.0 / len(members)
    T = Q[0].new_zeros(n, n)
    for part in members:
        rows = torch.cat([Q[i] for i in part]) if len(part) > 1 else Q[part[0]]
        if len(rows) >= n:
            gram = T.new_zeros(n, n)
            add_gram(gram, rows)
            gram.diagonal().add_(pi)
            T.add_(torch.cholesky_inverse(torch.linalg.cholesky(gram, upper=True), upper=True), alpha=weight)
        else:
            outer = T.new_zeros(len(rows), len(rows))
            add_gram(outer, rows.T)
            outer.diagonal().add_(pi)
            half = torch.linalg.solve_triangular(torch.linalg.cholesky(outer, upper=True).T, rows, upper=False)
            add_gram(T, half, -weight / pi)
            T.diagonal().add_(weight / pi)
    return T


def _collect(B: Iterable[Tensor], V: Tensor, dtype: torch.dtype) -> JointFactors:
    """Divide every B_i [m, n] into unit columns and their norms (Eq. 6)."""
    factors = JointFactors(V=V, U=[], sigma=[])
    for b in B:
        sigma = torch.linalg.vector_norm(b, dim=0, dtype=torch.float64)  # its range holds the squares of small entries
        factors.sigma.append(sigma)
        norms = sigma.to(b.dtype).clamp_min(torch.finfo(b.dtype).tiny)
        factors.U.append((b / norms).to(dtype))  # a zero column stays zero
    return factors


def _double(weight: Tensor) -> Tensor:
    return weight.detach().to(torch.float64)
