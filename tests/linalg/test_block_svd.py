"""The block tensor-train: the choice of blocks, and exact reconstruction."""

import pytest
import torch

from frod_bench.linalg.block_svd import block_count, block_factors


@pytest.mark.parametrize(("n", "q"), [(768, 24), (1024, 32), (3072, 48), (4096, 64), (11008, 86), (7, 1), (1, 1)])
def test_block_counts(n, q):
    assert block_count(n) == q


@pytest.mark.parametrize(("m", "n"), [(24, 16), (8, 64), (3, 16), (5, 7)])
def test_the_factors_are_block_wise_and_lossless(m, n):
    weight = torch.randn(m, n, generator=torch.Generator().manual_seed(0))
    f, b = block_factors(weight), n // block_count(n)
    for i, (L, s, R) in enumerate(zip(f.L.double(), f.s.double(), f.R.double(), strict=True)):
        torch.testing.assert_close((L * s) @ R.T, weight[:, i * b : (i + 1) * b].double(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(L.T @ L, torch.eye(min(m, b), dtype=L.dtype), rtol=1e-5, atol=1e-5)
        assert (s.diff() <= 0).all()


def test_the_largest_entry_of_every_left_vector_is_positive():
    weight = torch.randn(24, 16, generator=torch.Generator().manual_seed(0))
    for L in (block_factors(weight).L, block_factors(-weight).L):
        assert (L.gather(1, L.abs().argmax(dim=1, keepdim=True)) > 0).all()


@pytest.mark.gpu
def test_factors_on_a_gpu():
    weight = torch.randn(10, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    there, here = block_factors(weight.cuda()), block_factors(weight)
    for name in ("L", "s", "R"):
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name))
