"""The metrics of a sequence, worked out by hand."""

import pytest

from frod_bench.merging.continual import average, backward_transfer, forgetting

R = [[0.9, None, None], [0.95, 0.8, None], [0.7, 0.85, 0.6]]


def test_by_hand():
    assert average(R) == pytest.approx((0.7 + 0.85 + 0.6) / 3)
    assert backward_transfer(R) == pytest.approx(((0.7 - 0.9) + (0.85 - 0.8)) / 2)
    assert forgetting(R) == pytest.approx(((0.95 - 0.7) + (0.8 - 0.85)) / 2)


def test_a_single_task():
    assert (average([[0.5]]), backward_transfer([[0.5]]), forgetting([[0.5]])) == (0.5, None, None)


def test_an_incomplete_matrix_has_none():
    with pytest.raises(ValueError, match="not known"):
        average([[0.5, None], [None, 0.5]])
