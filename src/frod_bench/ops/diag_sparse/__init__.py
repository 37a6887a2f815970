"""The diagonal-plus-sparse matrix M = diag(d) + S of FRoD (arXiv 2512.23485, Eq. 8) and its products.

The pattern of S is fixed and off-diagonal; only its values train. Activations are columns, [n, T] for T tokens, so
that a sparse row reads contiguous memory. Each product, and the sampled dense-dense product (SDDMM) that is the
gradient of the values, takes nnz T multiply-adds, where a dense one takes n^2 T.
"""

from frod_bench.ops.diag_sparse.pattern import Pattern, pattern_size
from frod_bench.ops.diag_sparse.pattern_kinds import PATTERNS, disjoint_pattern, random_pattern
from frod_bench.ops.diag_sparse.products import diag_sparse_product, diag_sparse_product_transposed, sddmm
from frod_bench.ops.diag_sparse.unstructured import UnstructuredPattern

__all__ = [
    "PATTERNS",
    "Pattern",
    "UnstructuredPattern",
    "diag_sparse_product",
    "diag_sparse_product_transposed",
    "disjoint_pattern",
    "pattern_size",
    "random_pattern",
    "sddmm",
]
