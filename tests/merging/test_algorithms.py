"""Every way to merge against its definition, entry by entry in float64, and against PEFT's functions."""

import math

import pytest
import torch
from peft.utils import merge_utils

from frod_bench.merging import algorithms
from frod_bench.merging.threshold import largest


@pytest.fixture
def deltas():
    return torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def thresholds(deltas, kept):
    return [largest(lambda t=task: [t], kept) for task in deltas]


def entries(deltas):
    """Yield the place of every entry and its values over the tasks."""
    for place in torch.cartesian_prod(*map(torch.arange, deltas.shape[1:])).tolist():
        yield tuple(place), [float(task[tuple(place)]) for task in deltas]


def test_sums_and_means(deltas):
    mean, total = algorithms.average(deltas), algorithms.task_arithmetic(deltas)
    for place, values in entries(deltas):
        assert mean[place].item() == pytest.approx(math.fsum(values) / 3, abs=1e-14)
        assert total[place].item() == pytest.approx(math.fsum(values), abs=1e-14)


def test_ties(deltas):
    least = thresholds(deltas, 8)
    merged = algorithms.ties(deltas, least)
    for place, values in entries(deltas):
        kept = [v for v, t in zip(values, least, strict=True) if abs(v) >= t - 1e-7]
        agreeing = [v for v in kept if v * math.fsum(kept) > 0]
        expected = math.fsum(agreeing) / len(agreeing) if agreeing else 0.0
        assert merged[place].item() == pytest.approx(expected, abs=1e-14)


def test_ties_equals_pefts(deltas):
    """PEFT trims each tensor by itself, which is the same for a model of one tensor."""
    deltas = deltas.float()
    theirs = merge_utils.ties(list(deltas), torch.ones(3), density=0.2)
    torch.testing.assert_close(algorithms.ties(deltas, thresholds(deltas, int(0.2 * 42))), theirs, rtol=0, atol=1e-6)


def test_dare_keeps_a_share_and_its_expectation():
    deltas = torch.ones(2, 400, 400, dtype=torch.float64)
    merged = algorithms.dare(deltas, 0.1, torch.Generator().manual_seed(0))
    values, counts = merged.unique(return_counts=True)
    assert values.tolist() == [0.0, 10.0, 20.0]
    assert (counts / merged.numel()).tolist() == pytest.approx([0.81, 0.18, 0.01], abs=0.003)
    again = algorithms.dare(deltas, 0.1, torch.Generator().manual_seed(0))
    other = algorithms.dare(deltas, 0.1, torch.Generator().manual_seed(1))
    assert torch.equal(merged, again) and not torch.equal(merged, other)


def test_linear():
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (torch.randn(5, 2, generator=generator), torch.randn(2, 4, generator=generator), scale) for scale in (2.0, 0.5)
    ]
    (B, A, s), (C, D, t) = [(B.double(), A.double(), scale) for B, A, scale in pairs]
    expected = s * B @ A + t * C @ D + math.sqrt(s * t) * (B @ D + C @ A)
    torch.testing.assert_close(algorithms.linear(pairs).double(), expected, rtol=1e-5, atol=1e-6)
