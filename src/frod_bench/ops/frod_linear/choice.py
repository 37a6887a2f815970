"""The cost model that picks the cheapest way for a layer and a number of tokens."""

from collections.abc import Collection

import torch

from frod_bench.ops import cost

WAYS = ("factored", "residual", "merged")
FACTORED_ERROR = 1e-5  # largest ||U diag(sigma) V^T - W|| / ||W|| at which the factored way is used


def choose_way(
    tokens: int,
    m: int,
    n: int,
    k: int,
    column_cost: float,
    dtype: torch.dtype,
    layers_sharing_input: int = 1,
    passes: int = 1,
    recompute: bool = False,
    ways: Collection[str] = WAYS,
) -> str:
    """Return the cheapest way for one training step of a layer [m, n], whose M is [k, k], on `tokens` rows.

    column_cost: cost of M times one column, in multiply-adds of a dense product (`Pattern.column_cost`).
    layers_sharing_input: layers that read the same input over the same V, and so share its projection.
    passes: forward passes, each with its backward pass, that one W' serves.
    recompute: W' is formed again in the backward pass.
    ways: those to choose from. `factored` is left out in half precision, where the rounding of U and V shows at
        initialisation.
    """
    costs = {
        "factored": cost.frod_factored_step(tokens, m, n, k, column_cost, layers_sharing_input),
        "residual": cost.frod_factored_step(tokens, m, n, k, column_cost, layers_sharing_input, base_stays=True),
        "merged": cost.frod_merged_step(tokens, m, n, k, column_cost, passes, recompute),
    }
    if dtype not in (torch.float32, torch.float64):
        del costs["factored"]
    return min((way for way in WAYS if way in ways and way in costs), key=costs.__getitem__)


def starts_at_base(error: float, dtype: torch.dtype) -> bool:
    """Return whether U diag(sigma) V^T, of this relative `error`, is close enough to W for the factored way.

    The limit is `FACTORED_ERROR`, or a few roundings of half precision.
    """
    return error <= max(FACTORED_ERROR, 4 * torch.finfo(dtype).eps)
