"""The FRoD linear layer y = x W'^T + b, W' = L (diag(sigma) + S) R (arXiv 2512.23485, Eq. 8).

Shapes: T tokens x [T, n], base weight W [m, n], L [m, k], R [k, n], sigma [k], values of S [nnz]. In the paper k = n,
L is the layer's own U, and R the shared V^T. On the short side k = m, L is the shared V, and R the layer's own U^T.
Five ways compute the same function; multiply-adds of one forward and backward pass:

    factored   z = R x, y = L M z                              2 T n k / s + 2 T m k + 3 T nnz
    residual   y = x W^T + L dM z, dM = M - diag(sigma0)       2 T n k / s + 2 T m k + 2 T m n + 3 T nnz
    merged     W' = W + L dM R, y = x W'^T                     3 T m n + 2 m n k + 2 min(m, n) nnz
    right_residual   y = (x + A dM B x) W^T                    2 T m n + 4 T k^2 + 3 T nnz
    right_merged     D = A dM B, y = (x + D x) W^T             2 T m n + 3 T k^2 + 2 k^3 + 2 k nnz

where A and B are [k, k] (`right`); these two exist for m > n and on the short side, and compute without L and R. s
layers that read the same x share R and therefore z. Half of the last two terms of `merged` and of `right_merged` forms
W' or D, once for all micro-batches of a step; the other half samples the gradient of S, also once for all of them where
the gradients of W' and D are summed (`sampled_gradients`). `factored` does not read W and equals the base layer at
initialisation up to the error of L diag(sigma0) R; the other four equal it to the last bit. For its backward pass a
forward pass keeps one [k, T] activation (factored, residual) or one extra copy of the weight (merged). The gradient of
S has nnz values; on a GPU, in half precision and in the merged way, a [k, k] product is formed to compute it. All ways
can be differentiated any number of times. Without gradients `merged` is one plain linear layer on W'. `torch.func`
transforms and forward-mode AD use `plain_linear`.
"""

from frod_bench.ops.frod_linear.choice import (
    FACTORED_ERROR,
    RIGHT_WAYS,
    WAYS,
    WAYS_OF_ANY_LAYER,
    choose_way,
    has_right_form,
    needs_U,
    starts_at_base,
    ways_of_layer,
)
from frod_bench.ops.frod_linear.factored import factored_linear, project
from frod_bench.ops.frod_linear.merged import merge_weight, merged_linear, sampled_gradients
from frod_bench.ops.frod_linear.plain import is_transformed, plain_linear, transform_active
from frod_bench.ops.frod_linear.right import right_factor, right_merged, right_residual

__all__ = [
    "FACTORED_ERROR",
    "RIGHT_WAYS",
    "WAYS",
    "WAYS_OF_ANY_LAYER",
    "choose_way",
    "factored_linear",
    "has_right_form",
    "is_transformed",
    "merge_weight",
    "merged_linear",
    "needs_U",
    "plain_linear",
    "project",
    "right_factor",
    "right_merged",
    "right_residual",
    "sampled_gradients",
    "starts_at_base",
    "transform_active",
    "ways_of_layer",
]
