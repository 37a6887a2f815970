"""Parts of one random order: every place once, no two parts alike, and spread like a uniform draw."""

import numpy as np
import pytest
import torch

from frod_bench.ops.diag_sparse import disjoint_pattern, random_pattern
from frod_bench.ops.diag_sparse.disjoint import disjoint_places, parts


@pytest.mark.parametrize("places", [1, 2, 3, 64, 65, 992, 16384, 99_999])
def test_the_parts_of_one_place_are_all_places(places):
    count = max(places // 7, 1)
    found = torch.cat([disjoint_places(places, count, part, 3, "query") for part in range(parts(places, count))])
    assert len(found.unique()) == len(found) == count * parts(places, count)
    assert found.min() >= 0 and found.max() < places


def test_it_follows_seed_and_name():
    first = disjoint_places(10_000, 200, 1, 0, "query")
    assert torch.equal(first, disjoint_places(10_000, 200, 1, 0, "query"))
    for other in (disjoint_places(10_000, 200, 1, 1, "query"), disjoint_places(10_000, 200, 1, 0, "key")):
        assert len(np.intersect1d(first, other)) < 20  # 4 by chance


def test_it_is_spread_as_a_uniform_draw():
    """Chi-square over 100 cells of 100 places: mean 99, standard deviation 14; and pairs of places are independent."""
    n, squares, gaps = 100, [], []
    for seed in range(20):
        flat = disjoint_places(n * n, 2000, 2, seed, "")
        cells = np.bincount((flat // n // 10 * 10 + flat % n // 10).numpy(), minlength=100)
        squares.append(((cells - 20) ** 2 / 20).sum() / 0.8)  # drawn without repetition: a fifth of each cell
        gaps.append(flat.diff().double().var().item())
    assert abs(np.mean(squares) - 99) < 12
    assert np.mean(gaps) == pytest.approx(4 * 5, rel=0.1)  # geometric, at density 1/5: (1 - p) / p^2


@pytest.mark.parametrize("slot", [-1, 50])
def test_a_slot_beyond_the_last_is_refused(slot):
    with pytest.raises(ValueError, match="have 49 parts of 81"):
        disjoint_pattern(64, 0.02, 0, "", slot)


def test_patterns_of_different_slots_share_no_place():
    drawn = [disjoint_pattern(64, 0.1, 5, "fc1", slot) for slot in range(8)]
    flat = torch.cat([pattern.rows * 64 + pattern.cols for pattern in drawn])
    assert len(flat.unique()) == len(flat) == 8 * random_pattern(64, 0.1, 5).nnz
    assert all((pattern.rows != pattern.cols).all() for pattern in drawn)
