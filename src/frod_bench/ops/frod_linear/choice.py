"""Which way is cheapest for a layer and a number of tokens."""

import torch

WAYS = ("factored", "residual", "merged")
FACTORED_ERROR = 1e-5  # of U diag(sigma) V^T against W, relative, up to which the factored way starts at the base


def choose_way(
    tokens: int,
    m: int,
    n: int,
    column: float,
    dtype: torch.dtype,
    sharers: int = 1,
    passes: int = 1,
    again: bool = False,
    may_factor: bool = True,
) -> str:
    """Return the cheapest way for one training step of a layer [m, n] on `tokens` rows.

    `column` is what M times one column costs, in multiply-adds of a dense product (`Pattern.column_cost`);
    `sharers` layers read the same input over the same V; W' serves `passes` forward passes, each with its backward one,
    and with `again` is formed once more in that.
    In half precision, and where it `may_factor` not, the factored way is left out, because there the rounding of U and
    V shows at initialisation; `residual` takes its place.
    """
    exact = may_factor and dtype in (torch.float32, torch.float64)
    base_reads = 2 if exact else 4
    factored = 2 * tokens * n * n / sharers + base_reads * tokens * m * n + 3 * tokens * column
    merged = 3 * tokens * m * n + (1 + again + 1 / passes) * (m * n * n + min(m, n) * column)
    if merged < factored:
        return "merged"
    return "factored" if exact else "residual"


def starts_at_base(error: float, dtype: torch.dtype) -> bool:
    """Return whether the factored way of a layer of this reconstruction error starts at the base, to `FACTORED_ERROR`.

    Weights of half precision may have an error of a few roundings instead.
    """
    return error <= max(FACTORED_ERROR, 4 * torch.finfo(dtype).eps)
