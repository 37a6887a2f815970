"""Joint decompositions in the disk cache; weights may be in memory or read one after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from frod_bench.errors import RequestError
from frod_bench.linalg.cache import stored
from frod_bench.linalg.joint import joint_decomposition, reconstruction_errors
from frod_bench.linalg.right_inverse import basis_inverse, right_errors
from frod_bench.linalg.shapes import has_data

_ROUNDING = 1e-4  # of float32 norms and products
_NO_ENERGY = 1e-30  # up to this sigma a column of U may be zero


def stored_joint_factors(
    names: Sequence[str],
    weights: Sequence[Tensor],
    blocks: Sequence[int] | None,
    pi: float,
    in_memory: bool = True,
    must_keep: bool = False,
) -> dict[str, Tensor]:
    """Return `Vt` [n, n], every `Ut.i` [n, m] and `sigma.i` [n], and the reconstruction `errors` [L] of the layers.

    If a layer with m > n can do without its U, there is also `inverse` [n, n], the inverse of V^T; `right_errors` [L]
    are those of `linalg.right_inverse`. All come from the disk if they are there; sigma is in float32 or above, the
    rest in the dtype of the weights.
    See `joint_decomposition` for `in_memory` and `cached` for `must_keep`. Raises RequestError, with one of the
    `names`, for NaN or infinity in the weights or the factors.
    """
    dtype = weights[0].dtype

    def compute() -> dict[str, Tensor]:
        for name, weight in zip(names, weights, strict=True):
            if has_data(weight) and not weight.isfinite().all():
                raise RequestError(f"The weight of {name} holds NaN or infinity and cannot be decomposed.")
        factors = joint_decomposition(weights, blocks, pi, dtype, in_memory)
        Vt = factors.V.T.to(dtype).contiguous()
        tensors, errors, right = {"Vt": Vt}, [], []
        tall = any(weight.shape[0] > len(Vt) for weight in weights)
        if tall and (inverse := basis_inverse(factors.V.T)) is not None:
            tensors["inverse"] = inverse.to(dtype)
        for i, (weight, sigma) in enumerate(zip(weights, factors.sigma, strict=True)):
            U = factors.U.pop(0)
            errors.append(reconstruction_errors([weight], [U], [sigma], Vt))
            right.append(right_errors([weight], [U], [sigma], tensors.get("inverse")))
            tensors[f"Ut.{i}"] = U.T.contiguous()
            tensors[f"sigma.{i}"] = sigma.to(torch.promote_types(dtype, torch.float32))
        tensors |= {"errors": torch.cat(errors), "right_errors": torch.cat(right)}
        require_rebuilt(names, weights, tensors["errors"])
        return tensors

    def fits(factors: dict[str, Tensor]) -> bool:
        return _are_factors(factors, weights)

    return stored(weights, f"joint decomposition 5, blocks={blocks}, pi={pi!r}", compute, fits, must_keep)


def require_rebuilt(names: Sequence[str], weights: Sequence[Tensor], errors: Tensor) -> None:
    """Raise RequestError, naming the layer with the largest entry, if reconstruction errors [L] have overflowed."""
    if has_data(errors) and not errors.isfinite().all():
        largest, name = max((weight.abs().max().item(), name) for name, weight in zip(names, weights, strict=True))
        raise RequestError(
            f"The weight of {name} cannot be decomposed: with entries up to {largest:.1g} its products overflow. Scale"
            " it down, or load the model in float64."
        )


@torch.no_grad()
def _are_factors(factors: dict[str, Tensor], weights: Sequence[Tensor]) -> bool:
    """Return whether stored factors have the properties of a joint decomposition, in O(m n) operations per layer.

    They rebuild every weight to within the stored `errors` and U to within `right_errors`, the columns of U have unit
    norm, and the squares of sigma sum to 1 over the layers; if the layers have too few rows for that, the columns of V
    have unit norm instead.
    """
    dtype, device = weights[0].dtype, weights[0].device
    Vt, numbers = factors["Vt"].to(device), range(len(weights))
    sigma = torch.stack([factors[f"sigma.{i}"] for i in numbers]).double()  # [L, n]
    U, inverse = [factors[f"Ut.{i}"].to(device).T for i in numbers], factors.get("inverse")
    found = reconstruction_errors(weights, U, list(sigma.to(device)), Vt, columns=4)
    inverse = None if inverse is None else inverse.to(device)
    right = right_errors(weights, U, list(sigma.to(device)), inverse, columns=4)
    rounding = max(_ROUNDING, 4 * torch.finfo(dtype).eps)
    norms = torch.stack([torch.linalg.vector_norm(factors[f"Ut.{i}"], dim=1, dtype=torch.float64) for i in numbers])
    sizes = (sigma.square().sum(dim=0), torch.linalg.vector_norm(Vt, dim=1, dtype=torch.float64).cpu())
    return bool(
        Vt.dtype == dtype
        and (found.cpu() <= 4 * factors["errors"] + rounding).all()
        and (right.cpu() <= 4 * factors["right_errors"] + rounding).all()
        and ((norms - 1).abs() <= rounding)[sigma > _NO_ENERGY].all()
        and any(((size - 1).abs() <= rounding).all() for size in sizes)
    )
