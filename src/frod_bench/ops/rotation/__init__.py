"""The diagonal-plus-sparse matrix M = diag(d) + S of FRoD (arXiv 2512.23485, Eq. 8) and its products.

S lives on a fixed off-diagonal pattern; only its values change. Activations are kept as columns, [n, T]
for T tokens, because a sparse row then reads contiguous memory. Costs in multiply-adds: nnz * T for each
product and for the sampled gradient, against n * n * T for a dense one.
"""

from frod_bench.ops.rotation.draw import PATTERNS, random_pattern
from frod_bench.ops.rotation.pattern import Pattern, pattern_size
from frod_bench.ops.rotation.products import rotate, rotate_transposed, sampled_gradient
from frod_bench.ops.rotation.scattered import ScatteredPattern

__all__ = [
    "PATTERNS",
    "Pattern",
    "ScatteredPattern",
    "pattern_size",
    "random_pattern",
    "rotate",
    "rotate_transposed",
    "sampled_gradient",
]
