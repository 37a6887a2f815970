"""Products with diag(d) + S against the dense matrix, for every pattern and on both sides of the choice."""

import pytest
import torch

from frod_bench.ops.diag_sparse import PATTERNS, diag_sparse_product, diag_sparse_product_transposed, sddmm
from frod_bench.ops.diag_sparse.tiled import tiled_product, tiled_sddmm
from frod_bench.ops.diag_sparse.unstructured import unstructured_product, unstructured_sddmm

SIZES = [(1, 3, 1.0), (2, 1, 0.3), (9, 5, 0.0), (9, 5, 0.1), (9, 1, 0.1), (9, 0, 0.1), (9, 5, 0.8), (17, 31, 0.02)]
SIZES += [(16, 4, 0.2), (40, 3, 0.1), (50, 2, 1.0)]
every_pattern = pytest.mark.parametrize("kind", PATTERNS)


def draw(kind, n, tokens, sparsity, dtype):
    generator = torch.Generator().manual_seed(0)
    pattern = PATTERNS[kind](n, sparsity, seed=0)
    shapes = [(pattern.nnz,), (n,), (n, tokens), (n, tokens)]
    return pattern, *(torch.randn(s, dtype=dtype, generator=generator) for s in shapes)


@every_pattern
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("n", "tokens", "sparsity"), SIZES)
def test_products_equal_dense(n, tokens, sparsity, dtype, kind):
    pattern, values, diagonal, z, _ = draw(kind, n, tokens, sparsity, dtype)
    M = torch.diag(diagonal) + pattern.dense(values)
    tolerance = {"rtol": 4 * torch.finfo(dtype).eps * n, "atol": 4 * torch.finfo(dtype).eps * n}
    torch.testing.assert_close(diag_sparse_product(pattern, values, diagonal, z), M @ z, **tolerance)
    torch.testing.assert_close(diag_sparse_product_transposed(pattern, values, diagonal, z), M.T @ z, **tolerance)


@every_pattern
@pytest.mark.parametrize("transposed", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(("n", "tokens", "sparsity"), SIZES)
def test_sddmm_equals_dense(n, tokens, sparsity, transposed, kind):
    pattern, _, _, z, h = draw(kind, n, tokens, sparsity, torch.float64)
    if transposed:
        z, h = z.T.contiguous().T, h.T.contiguous().T
    values, diagonal = sddmm(pattern, h, z)
    full = h @ z.T
    torch.testing.assert_close(values, full[pattern.rows, pattern.cols])
    torch.testing.assert_close(diagonal, full.diagonal())


@every_pattern
def test_products_take_columns_of_any_stride(kind):
    pattern, values, diagonal, z, _ = draw(kind, 9, 6, 0.1, torch.float64)
    strided = z.T.contiguous().T
    assert torch.equal(
        diag_sparse_product(pattern, values, diagonal, strided), diag_sparse_product(pattern, values, diagonal, z)
    )
    every_second = diag_sparse_product_transposed(pattern, values, diagonal, z[:, ::2])
    torch.testing.assert_close(every_second, diag_sparse_product_transposed(pattern, values, diagonal, z)[:, ::2])


@every_pattern
@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_the_operators(kind, transposed):
    pattern, values, diagonal, z, h = draw(kind, 7, 3, 0.3, torch.float64)
    inputs = [t.requires_grad_() for t in (torch.cat([values, diagonal]), z)]
    assert torch.autograd.gradcheck(lambda e, x: pattern.product(e, x, transposed), inputs)
    assert torch.autograd.gradcheck(pattern.sddmm, [h.requires_grad_(), z])


@every_pattern
@pytest.mark.parametrize("transposed", [False, True])
def test_the_operators_pass_opcheck(kind, transposed):
    pattern, values, diagonal, z, h = draw(kind, 40, 3, 0.1, torch.float32)
    entries, tail = torch.cat([values, diagonal]).requires_grad_(), ()
    product, sddmm_operator = unstructured_product, unstructured_sddmm
    if kind != "random":
        product, sddmm_operator, tail = tiled_product, tiled_sddmm, (pattern.height, pattern.halo)
    torch.library.opcheck(product, (entries, z.requires_grad_(), pattern.structure, *tail, transposed))
    torch.library.opcheck(sddmm_operator, (h.requires_grad_(), z, pattern.structure, *tail))


@pytest.mark.gpu
@every_pattern
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("n", "tokens", "sparsity"), [(9, 5, 0.0), (40, 3, 0.1), (17, 31, 0.02)])
def test_products_on_a_gpu(n, tokens, sparsity, dtype, kind):
    pattern, values, diagonal, z, h = draw(kind, n, tokens, sparsity, dtype)
    M = torch.diag(diagonal.double()) + pattern.dense(values.double())
    there = pattern.to(torch.device("cuda"))
    arguments = there, values.cuda(), diagonal.cuda(), z.cuda()
    found = [
        diag_sparse_product(*arguments),
        diag_sparse_product_transposed(*arguments),
        *sddmm(there, h.cuda(), z.cuda()),
    ]
    full = h.double() @ z.double().T
    wanted = [M @ z.double(), M.T @ z.double(), full[pattern.rows, pattern.cols], full.diagonal()]
    for ours, exact in zip(found, wanted, strict=True):
        assert ours.device.type == "cuda" and ours.dtype == dtype
        assert (ours.cpu().double() - exact).norm() <= 4 * torch.finfo(dtype).eps * exact.norm()
