"""The diagonal-plus-sparse matrix M = diag(d) + S of FRoD (arXiv 2512.23485, Eq. 8) and its products.

S lives on a fixed off-diagonal pattern; only its values change. Activations are kept as columns, [n, T]
for T tokens, because a sparse row then reads contiguous memory. Costs in multiply-adds: nnz * T for each
product and for the sampled gradient, against n * n * T for a dense one.
"""

from frod_bench.ops.diag_sparse.pattern import Pattern, pattern_size
from frod_bench.ops.diag_sparse.pattern_kinds import PATTERNS, random_pattern
from frod_bench.ops.diag_sparse.products import diag_sparse_product, diag_sparse_product_transposed, sddmm
from frod_bench.ops.diag_sparse.unstructured import UnstructuredPattern

__all__ = [
    "PATTERNS",
    "Pattern",
    "UnstructuredPattern",
    "diag_sparse_product",
    "diag_sparse_product_transposed",
    "pattern_size",
    "random_pattern",
    "sddmm",
]
