"""What the dense products of one training step cost, in multiply-adds: the only place that states these formulas.

`choose_way`, the FLOP formulas of the custom operators, `Method.multiply_adds` and `forecast.cost` all use it. A linear
layer has m outputs and n inputs, a step T tokens. FRoD's M = diag(d) + S is [k, k]; `column` is the cost of M times one
column. Elementwise work and the optimizer are left out.
"""

from math import ceil


def linear_step(tokens: int, m: int, n: int) -> int:
    """Return the cost of a frozen layer: the forward product, and the one for the gradient of its input."""
    return 2 * tokens * m * n


def weight_gradient(tokens: int, m: int, n: int) -> int:
    """Return the cost of the gradient of a dense weight."""
    return tokens * m * n


def attention_forward(length: float, hidden: int) -> float:
    """Return the cost per token of attention over rows of `length` tokens: scores, and their mean of the values."""
    return 2 * length * hidden


def low_rank_step(tokens: int, m: int, n: int, rank: int, trained: bool = True) -> int:
    """Return the cost of B A x for B [m, r] and A [r, n]: forward, to the input, and where `trained` to B and A."""
    return (3 if trained else 2) * tokens * rank * (m + n)


def low_rank_weight(m: int, n: int, rank: int) -> int:
    """Return the cost of forming B A [m, n]."""
    return rank * m * n


def dense_square_product(n: int, tokens: int) -> int:
    """Return the cost of a dense M [n, n] times [n, T], or of a gradient of M from two such matrices."""
    return n * n * tokens


def tiled_product(n: int, tokens: int, height: int, halo: int) -> int:
    """Return the cost of an M whose tiles are `height` rows and `height` + 2 `halo` columns, times [n, T]."""
    return ceil(n / height) * height * (height + 2 * halo) * tokens


def frod_weight(m: int, n: int, k: int, column: float) -> float:
    """Return the cost of forming FRoD's W' = W + L M R [m, n], or of the gradients of M from that of W'."""
    return m * n * k + min(m, n) * column


def frod_factored_step(
    tokens: int, m: int, n: int, k: int, column: float, sharers: int = 1, base_stays: bool = False
) -> float:
    """Return the cost of L M R x, for L [m, k] and R [k, n], whose R x serves `sharers` layers.

    With `base_stays` the layer computes W x beside it (the residual way).
    """
    factors = 2 * tokens * (n * k / sharers + m * k) + 3 * tokens * column
    return factors + linear_step(tokens, m, n) * base_stays


def frod_merged_step(
    tokens: int,
    m: int,
    n: int,
    k: int,
    column: float,
    passes: int = 1,
    recompute: bool = False,
    summed: bool = False,
) -> float:
    """Return the cost of W' x, whose W' serves `passes` forward passes.

    With `recompute` W' is formed once more in every backward pass. With `summed` the gradient of M is sampled once for
    all passes, not in each.
    """
    sampled = 1 / passes if summed else 1
    return (
        linear_step(tokens, m, n)
        + weight_gradient(tokens, m, n)
        + (sampled + recompute + 1 / passes) * frod_weight(m, n, k, column)
    )


def frod_right_residual_step(tokens: int, m: int, n: int, k: int, column: float) -> float:
    """Return the cost of W (x + A M B x), for A and B [k, k]; on the short side of y + A M B y with y = W x."""
    return linear_step(tokens, m, n) + 4 * tokens * k * k + 3 * tokens * column


def frod_right_merged_step(
    tokens: int, m: int, n: int, k: int, column: float, passes: int = 1, summed: bool = False
) -> float:
    """Return the cost of W (x + D x), whose D = A M B [k, k] serves `passes` forward passes; see `frod_merged_step`."""
    sampled = 1 / passes if summed else 1
    return (
        linear_step(tokens, m, n)
        + linear_step(tokens, k, k)
        + weight_gradient(tokens, k, k)
        + (sampled + 1 / passes) * frod_weight(k, k, k, column)
    )
