"""The pattern of S: how many places, which, and what they depend on."""

import pytest
import torch

from frod_bench.ops.diag_sparse import PATTERNS, pattern_size, random_pattern

every_pattern = pytest.mark.parametrize("kind", PATTERNS)


@every_pattern
@pytest.mark.parametrize(("n", "sparsity"), [(10, 0.02), (10, 0.29), (7, 0.5), (33, 0.1), (5, 0.039), (96, 0.02)])
def test_places_are_distinct_off_diagonal_and_counted(n, sparsity, kind):
    pattern = PATTERNS[kind](n, sparsity, seed=0)
    places = set(zip(pattern.rows.tolist(), pattern.cols.tolist(), strict=True))
    assert len(places) == pattern.nnz == pattern_size(n, sparsity) == int(n * n * sparsity)
    assert all(0 <= r < n and 0 <= c < n and r != c for r, c in places)


def test_the_size_is_rounded_as_peft_rounds_it():
    assert 0.29 * 70 * 70 < 1421 <= 70 * 70 * 0.29
    assert random_pattern(70, 0.29, seed=0).nnz == 1421


@every_pattern
@pytest.mark.parametrize(("n", "sparsity", "nnz"), [(1, 1.0, 0), (6, 0.0, 0), (6, 1.0, 30), (6, 0.9, 30)])
def test_extremes(n, sparsity, nnz, kind):
    pattern = PATTERNS[kind](n, sparsity, seed=3)
    assert pattern.nnz == nnz
    dense = pattern.dense(torch.ones(nnz))
    assert dense.sum() == nnz and (dense.diagonal() == 0).all()


@every_pattern
def test_depends_on_seed_and_name_only(kind):
    def key(*args):
        pattern = PATTERNS[kind](20, 0.11, *args)
        return pattern.rows.tolist(), pattern.cols.tolist()

    assert key(0, "query") == key(0, "query")
    assert len({str(key(*a)) for a in [(0, "query"), (1, "query"), (0, "value")]}) == 3


def test_every_place_is_drawn_equally_often():
    counts = sum(random_pattern(5, 0.2, seed).dense(torch.ones(5)) for seed in range(800))
    off = counts[~torch.eye(5, dtype=torch.bool)]  # expected 800 * 5 / 20 = 200 each, standard deviation 12
    assert off.sum() == 4000 and (off - 200).abs().max() < 60


def test_blocks_are_as_small_as_the_density_allows():
    pattern = PATTERNS["block_diagonal"](96, 0.02, seed=0)
    assert pattern.height == 3  # 96 * 2 = 192 places hold 184
    assert torch.equal(pattern.rows // 3, pattern.cols // 3)


def test_a_band_is_as_narrow_as_the_density_allows_and_full_inside():
    pattern = PATTERNS["banded"](96, 0.05, seed=0)
    distance = (pattern.rows - pattern.cols).abs()
    assert distance.max() == 3  # 2 * (95 + 94 + 93) = 564 places hold 460, 2 * (95 + 94) = 378 do not
    assert [(distance == d).sum().item() for d in (1, 2, 3)] == [190, 188, 82]


@every_pattern
def test_moving_to_the_same_device_is_free(kind):
    pattern = PATTERNS[kind](5, 0.2, seed=0)
    assert pattern.to(torch.device("cpu")) is pattern
    moved = pattern.to(torch.device("meta"))
    assert moved.rows.device.type == "meta" and all(t.device.type == "meta" for t in moved.structure)
