"""The cost model that picks the cheapest way for a layer and a number of tokens."""

from collections.abc import Collection

import torch

from frod_bench.ops import cost

WAYS_OF_ANY_LAYER = ("factored", "residual", "merged")
RIGHT_WAYS = {"right_residual": "residual", "right_merged": "merged"}  # and what replaces them where there are none
WAYS = (*WAYS_OF_ANY_LAYER, *RIGHT_WAYS)
FACTORED_ERROR = 1e-5  # largest ||U diag(sigma) V^T - W|| / ||W|| at which the factored way is used
RIGHT_ERROR = 2e-6  # largest error of a column of W V^-T Sigma_0^-1 for the right ways; gradients stay within 1e-5
_TALL = 2.5  # m / n from which right_merged costs at most 7 % more than merged, however many tokens there are
_EXACT = (torch.float32, torch.float64)


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
    summed: bool = False,
    ways: Collection[str] = WAYS_OF_ANY_LAYER,
) -> str:
    """Return the cheapest way for one training step of a layer [m, n], whose M is [k, k], on `tokens` rows.

    column_cost: cost of M times one column, in multiply-adds of a dense product (`Pattern.column_cost`).
    layers_sharing_input: layers that read the same input over the same V, and so share its projection.
    passes: forward passes, each with its backward pass, that one W' serves.
    recompute: W', though not D of right_merged, is formed again in the backward pass.
    summed: the gradients of W' and D are summed over the passes, and sampled once.
    ways: those to choose from. `factored` is left out in half precision, where the rounding of U and V shows at
        initialisation.
    """
    sizes = tokens, m, n, k, column_cost
    costs = {
        "factored": cost.frod_factored_step(*sizes, layers_sharing_input),
        "residual": cost.frod_factored_step(*sizes, layers_sharing_input, base_stays=True),
        "merged": cost.frod_merged_step(*sizes, passes, recompute, summed),
        "right_residual": cost.frod_right_residual_step(*sizes),
        "right_merged": cost.frod_right_merged_step(*sizes, passes, summed),
    }
    if dtype not in _EXACT:
        del costs["factored"]
    cheapest, *others = [way for way in costs if way in ways]
    for way in others:  # written out, because torch.compile cannot take the minimum of numbers with symbols
        if costs[way] < costs[cheapest]:
            cheapest = way
    return cheapest


def ways_of_layer(
    m: int, n: int, dtype: torch.dtype, error: float, right_error: float, forced: str | None = None
) -> tuple[str, ...]:
    """Return the ways that a layer [m, n] with weights in `dtype` can choose from; one where the user forces one.

    error, right_error: those of `starts_at_base` and `has_right_form`. A forced right way gives way to its counterpart
        on W where the layer has no such form.
    In half precision a layer with many more outputs than inputs (on the short side, inputs than outputs) takes the
    right ways alone, so that it needs no U.
    """
    may_right = has_right_form(right_error, dtype)
    if forced is not None:
        return (RIGHT_WAYS.get(forced, forced) if not may_right else forced,)
    if may_right and dtype not in _EXACT and max(m, n) >= _TALL * min(m, n):
        return tuple(RIGHT_WAYS)
    left_out = {"factored"} if not starts_at_base(error, dtype) else set()
    return tuple(way for way in WAYS if way not in left_out and (may_right or way not in RIGHT_WAYS))


def needs_U(ways: Collection[str]) -> bool:
    """Return whether one of the ways computes with U."""
    return not set(ways) <= set(RIGHT_WAYS)


def has_right_form(error: float, dtype: torch.dtype) -> bool:
    """Return whether W V^-T Sigma_0^-1 is close enough to U for the two right ways; `error` is of `right_errors`.

    The start is exact whatever the error; the update carries it, as it carries the rounding of U. The limit is
    `RIGHT_ERROR`, or a rounding of half precision. A badly conditioned V, a Sigma_0 near zero and m <= n exceed it.
    """
    return error <= max(RIGHT_ERROR, torch.finfo(dtype).eps)


def starts_at_base(error: float, dtype: torch.dtype) -> bool:
    """Return whether U diag(sigma) V^T, of this relative `error`, is close enough to W for the factored way.

    The limit is `FACTORED_ERROR`, or a few roundings of half precision.
    """
    return error <= max(FACTORED_ERROR, 4 * torch.finfo(dtype).eps)
