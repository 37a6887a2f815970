"""U from W and V alone: U = W V^-T Sigma^-1 for a layer [m, n] with m > n, where V has full rank."""

from collections.abc import Iterable

import torch
from torch import Tensor

from frod_bench.linalg.shapes import has_data

NO_FORM = 1.0  # the error of a layer that has no such form


def basis_inverse(Vt: Tensor) -> Tensor | None:
    """Return (V^T)^-1 [n, n] in float64 of V^T [n, n]; None if it is singular to rounding."""
    inverse, info = torch.linalg.inv_ex(Vt.double())
    singular = has_data(info) and (info.item() != 0 or not inverse.isfinite().all())
    return None if singular else inverse


@torch.no_grad()
def right_errors(
    weights: Iterable[Tensor],
    U: Iterable[Tensor],
    sigma: Iterable[Tensor],
    inverse: Tensor | None,
    columns: int = 64,
) -> Tensor:
    """Return the largest error of a column of W_i V^-T Sigma_i^-1 against the unit column of U_i, for every layer [L].

    It is `NO_FORM` where there is no such form. `inverse` is (V^T)^-1 as it is stored. The products are in float32, or
    in float64 if W is. Norms are estimated from `columns` random vectors on the left.
    """
    errors = []
    for W, u, s in zip(weights, U, sigma, strict=True):
        if inverse is None or W.shape[0] <= W.shape[1]:
            errors.append(torch.full((), NO_FORM, device=s.device))
            continue
        dtype = torch.promote_types(W.dtype, torch.float32)
        probe = torch.randn(columns, W.shape[0], generator=torch.Generator().manual_seed(0)).to(W.device, dtype)
        found = (probe @ W.to(dtype)) @ inverse.to(dtype) / s.to(W.device, dtype)
        missed = torch.linalg.vector_norm(found - probe @ u.to(dtype), dim=0, dtype=torch.float64) / columns**0.5
        errors.append(missed.max().nan_to_num(nan=NO_FORM).clamp_max(NO_FORM).float().to(s.device))
    return torch.stack(errors)
