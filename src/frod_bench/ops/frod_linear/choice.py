"""Which way is cheapest for a layer and a number of tokens."""

import torch

WAYS = ("factored", "residual", "merged")

# What one multiply-add of the sparse products costs in multiply-adds of a matrix product: an estimate for a CPU
SPARSE_COST = 8.0


def choose_way(tokens: int, m: int, n: int, nnz: int, dtype: torch.dtype) -> str:
    """Return the cheapest way for one training step of a layer [m, n] on `tokens` rows.

    In half precision the factored way is left out, because there the rounding of U and V shows at
    initialisation; `residual` takes its place.
    """
    exact = dtype in (torch.float32, torch.float64)
    base_reads = 2 if exact else 4
    factored = 2 * tokens * n * n + base_reads * tokens * m * n + 3 * SPARSE_COST * tokens * nnz
    merged = 3 * tokens * m * n + 2 * m * n * n + 2 * SPARSE_COST * min(m, n) * nnz
    if merged < factored:
        return "merged"
    return "factored" if exact else "residual"
