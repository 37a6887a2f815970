"""The pattern of S: how many places, which, what they depend on, and both sparse orientations."""

import pytest
import torch

from frod_bench.ops.rotation import pattern_size, random_pattern


@pytest.mark.parametrize(("n", "sparsity"), [(10, 0.02), (10, 0.29), (7, 0.5), (33, 0.1), (5, 0.039)])
def test_places_are_distinct_off_diagonal_and_counted(n, sparsity):
    pattern = random_pattern(n, sparsity, seed=0)
    places = set(zip(pattern.rows.tolist(), pattern.cols.tolist(), strict=True))
    assert len(places) == pattern.nnz == pattern_size(n, sparsity) == int(n * n * sparsity)
    assert all(0 <= r < n and 0 <= c < n and r != c for r, c in places)


def test_the_size_is_rounded_as_peft_rounds_it():
    assert 0.29 * 70 * 70 < 1421 <= 70 * 70 * 0.29
    assert random_pattern(70, 0.29, seed=0).nnz == 1421


@pytest.mark.parametrize(("n", "sparsity", "nnz"), [(1, 1.0, 0), (6, 0.0, 0), (6, 1.0, 30), (6, 0.9, 30)])
def test_extremes(n, sparsity, nnz):
    pattern = random_pattern(n, sparsity, seed=3)
    assert pattern.nnz == nnz
    dense = pattern.dense(torch.ones(nnz))
    assert dense.sum() == nnz and (dense.diagonal() == 0).all()


def test_depends_on_seed_and_name_only():
    def key(*args):
        pattern = random_pattern(20, 0.1, *args)
        return pattern.rows.tolist(), pattern.cols.tolist()

    assert key(0, "query") == key(0, "query")
    assert len({str(key(*a)) for a in [(0, "query"), (1, "query"), (0, "value")]}) == 3


def test_every_place_is_drawn_equally_often():
    counts = sum(random_pattern(5, 0.2, seed).dense(torch.ones(5)) for seed in range(800))
    off = counts[~torch.eye(5, dtype=torch.bool)]  # expected 800 * 5 / 20 = 200 each, standard deviation 12
    assert off.sum() == 4000 and (off - 200).abs().max() < 60


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 1.0])
def test_both_sparse_orientations_equal_the_dense_matrix(sparsity):
    pattern = random_pattern(9, sparsity, seed=0)
    generator = torch.Generator().manual_seed(0)
    values, diagonal = torch.randn(pattern.nnz, generator=generator), torch.randn(9, generator=generator)
    dense = pattern.dense(values, diagonal)
    assert dense.count_nonzero() == pattern.nnz + 9
    assert torch.equal(dense.diagonal(), diagonal)
    assert torch.equal(pattern.csr(values, diagonal).to_dense(), dense)
    assert torch.equal(pattern.csr_transposed(values, diagonal).to_dense(), dense.T)
    back = pattern.split(pattern.csr(values, diagonal).values())
    assert torch.equal(back[0], values) and torch.equal(back[1], diagonal)


def test_moving_to_the_same_device_is_free():
    pattern = random_pattern(5, 0.2, seed=0)
    assert pattern.to(torch.device("cpu")) is pattern
