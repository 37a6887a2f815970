"""Joint decompositions kept on disk; a group is computed once, from weights in memory or read one after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from frod_bench.errors import RequestError
from frod_bench.linalg.cache import stored
from frod_bench.linalg.joint import joint_decomposition, reconstruction_errors
from frod_bench.linalg.shapes import has_data


def stored_joint_factors(
    names: Sequence[str],
    weights: Sequence[Tensor],
    blocks: Sequence[int] | None,
    pi: float,
    in_memory: bool = True,
    must_keep: bool = False,
) -> dict[str, Tensor]:
    """Return `Vt` [n, n], every `Ut.i` [n, m] and `sigma.i` [n] in the precision of the weights, and the layers'
    reconstruction `errors` [L], from the disk where they are known.

    `names` are the layers'. See `joint_decomposition` for `in_memory` and `cached` for `must_keep`. Raises RequestError
    for NaN or infinity.
    """

    def compute() -> dict[str, Tensor]:
        for name, weight in zip(names, weights, strict=True):
            if has_data(weight) and not weight.isfinite().all():
                raise RequestError(f"The weight of {name} holds NaN or infinity and cannot be decomposed.")
        dtype = weights[0].dtype
        factors = joint_decomposition(weights, blocks, pi, dtype, in_memory)
        Vt = factors.V.T.to(dtype).contiguous()
        tensors, errors = {"Vt": Vt}, []
        for i, (weight, sigma) in enumerate(zip(weights, factors.sigma, strict=True)):
            U = factors.U.pop(0)
            errors.append(reconstruction_errors([weight], [U], [sigma], Vt))
            tensors[f"Ut.{i}"] = U.T.contiguous()
            tensors[f"sigma.{i}"] = sigma.to(torch.promote_types(dtype, torch.float32))
        return tensors | {"errors": torch.cat(errors)}

    return stored(weights, f"joint decomposition 3, blocks={blocks}, pi={pi!r}", compute, must_keep)
