"""Products with diag(d) + S against the dense matrix, on both sides of the sparse-dense choice."""

import pytest
import torch

from frod_bench.ops.rotation import random_pattern, rotate, rotate_transposed, sampled_gradient

SIZES = [(1, 3, 1.0), (2, 1, 0.3), (9, 5, 0.0), (9, 5, 0.1), (9, 1, 0.1), (9, 0, 0.1), (9, 5, 0.8), (17, 31, 0.02)]


def draw(n, tokens, sparsity, dtype):
    generator = torch.Generator().manual_seed(0)
    pattern = random_pattern(n, sparsity, seed=0)
    shapes = [(pattern.nnz,), (n,), (n, tokens), (n, tokens)]
    return pattern, *(torch.randn(s, dtype=dtype, generator=generator) for s in shapes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("n", "tokens", "sparsity"), SIZES)
def test_products_equal_dense(n, tokens, sparsity, dtype):
    pattern, values, diagonal, z, _ = draw(n, tokens, sparsity, dtype)
    M = torch.diag(diagonal) + pattern.dense(values)
    tolerance = {"rtol": 4 * torch.finfo(dtype).eps * n, "atol": 4 * torch.finfo(dtype).eps * n}
    torch.testing.assert_close(rotate(pattern, values, diagonal, z), M @ z, **tolerance)
    torch.testing.assert_close(rotate_transposed(pattern, values, diagonal, z), M.T @ z, **tolerance)


@pytest.mark.parametrize("transposed", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(("n", "tokens", "sparsity"), SIZES)
def test_sampled_gradient_equals_dense(n, tokens, sparsity, transposed):
    pattern, _, _, z, h = draw(n, tokens, sparsity, torch.float64)
    if transposed:
        z, h = z.T.contiguous().T, h.T.contiguous().T
    values, diagonal = sampled_gradient(pattern, h, z)
    full = h @ z.T
    torch.testing.assert_close(values, full[pattern.rows, pattern.cols])
    torch.testing.assert_close(diagonal, full.diagonal())


def test_products_take_columns_of_any_stride():
    pattern, values, diagonal, z, _ = draw(9, 6, 0.1, torch.float64)
    strided = z.T.contiguous().T
    assert torch.equal(rotate(pattern, values, diagonal, strided), rotate(pattern, values, diagonal, z))
    every_second = rotate_transposed(pattern, values, diagonal, z[:, ::2])
    torch.testing.assert_close(every_second, rotate_transposed(pattern, values, diagonal, z)[:, ::2])
