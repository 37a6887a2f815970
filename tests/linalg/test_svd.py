"""Chosen parts of the singular value decomposition."""

import torch

from frod_bench.linalg.svd import leading_triplets, minor_triplets, singular_factors, stored_singular_factors


def test_factors_of_chosen_triplets():
    weight = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    assert minor_triplets(weight.shape, 2) == [3, 4]
    B, A = singular_factors(weight, range(5))
    assert B.shape == (7, 5) and A.shape == (5, 5)
    torch.testing.assert_close(B @ A, weight)


def test_segments_of_the_spectrum():
    assert leading_triplets((24, 16), 4, 2) == [0, 1, 4, 5, 8, 9, 12, 13]
    assert leading_triplets((7, 5), 2, 1) == [0, 2]


def test_factors_from_the_disk_are_those_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    weights = [torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((7, 5), (4, 6))]
    triplets = [[0, 3], [1]]
    computed, stored = (stored_singular_factors(weights, triplets) for _ in range(2))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    for weight, chosen, first, again in zip(weights, triplets, computed, stored, strict=True):
        for expected, a, b in zip(singular_factors(weight, chosen), first, again, strict=True):
            assert torch.equal(expected, a) and torch.equal(a, b)
