"""The one rule for measured differences, against intervals worked out by hand and by simulation."""

import math

import pytest
import torch

from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED
from frod_bench.audit.decide import decide, mean, proportion, rows_error, with_known_error


def test_the_interval_of_a_mean_is_students():
    found = mean([1.0, 2.0, 3.0, 4.0], "pairs")
    reach = 3.18245 * math.sqrt(5 / 3) / 2  # t(0.975, 3), standard deviation of 1..4
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 2.5 - reach, 2.5 + reach), rel=1e-5)
    assert found.count == 4 and str(found) == "2.50 [0.45, 4.55]"


def test_one_value_has_no_interval():
    one = mean([3.0], "pairs")
    assert (one.low, one.high) == (-math.inf, math.inf)
    assert decide(one, low=0).would_take == "Many more pairs, if the difference is the one measured."


def test_the_interval_of_a_share_is_exact():
    found = proportion(16, 33, "pairs")
    assert (found.low, found.high) == pytest.approx((0.3080, 0.6646), abs=1e-4)
    assert proportion(5, 5, "pairs").low == pytest.approx(0.025 ** (1 / 5))  # all of five: a half is not excluded
    assert proportion(0, 0, "pairs").high == 1


def test_the_error_of_the_evaluation_rows_is_that_of_drawn_rows():
    generator = torch.Generator().manual_seed(0)
    draws = [
        (torch.rand(4000, n, generator=generator) < p).float().mean(1)
        for p, n in ((0.9, 200), (0.8, 200), (0.7, 50), (0.6, 50))
    ]
    differences = ((draws[0] - draws[1]) + (draws[2] - draws[3])) / 2
    assert rows_error([(0.9, 0.8, 200), (0.7, 0.6, 50)]) == pytest.approx(differences.std().item(), rel=0.05)


@pytest.mark.parametrize(
    ("value", "error", "verdict"), [(3, 1, HOLDS), (-3, 1, FAILS), (1, 1, UNDECIDED), (-1, 1, UNDECIDED)]
)
def test_the_interval_decides_and_not_the_value(value, error, verdict):
    decision = decide(with_known_error(value, error, 100, "rows"), low=0)
    assert decision.verdict == verdict and bool(decision.would_take) == (verdict == UNDECIDED)


@pytest.mark.parametrize(("value", "verdict"), [(0.1, HOLDS), (0.4, UNDECIDED), (0.9, FAILS)])
def test_a_range_is_claimed(value, verdict):
    assert decide(with_known_error(value, 0.1, 50, "pairs"), -0.5, 0.5).verdict == verdict


def test_counts_as_near_as_these_decide_nothing():
    decision = decide(proportion(16, 33, "pairs"), low=0.5)
    assert decision.verdict == UNDECIDED and decision.would_take.startswith("About 9,")


def test_the_number_that_it_would_take_does_decide():
    """Four of five repetitions with so many rows decide, if the true difference is the one measured."""
    decision = decide(with_known_error(1.0, 1.0, 100, "rows"), low=0)
    count = int(decision.would_take.split()[1].replace(",", ""))
    assert count == 785  # 100 (1.96 + 0.84)^2
    values = 1 + torch.randn(4000, generator=torch.Generator().manual_seed(0)) * math.sqrt(100 / count)
    decided = [
        decide(with_known_error(v, math.sqrt(100 / count), count, "rows"), low=0).verdict for v in values.tolist()
    ]
    assert decided.count(HOLDS) / 4000 == pytest.approx(0.8, abs=0.02) and FAILS not in decided


def test_small_backbones_never_decide_what_is_said_of_large_ones():
    clear = with_known_error(5, 0.1, 100, "rows")
    here = decide(clear, low=0, backbones={"minilm", "roberta_large"})
    assert here.verdict == UNDECIDED and here.would_take == "Runs on the paper's backbones and all rows."
    assert decide(clear, low=0, backbones={"roberta_large"}).verdict == HOLDS
    assert "about 785 rows" in decide(with_known_error(1, 1, 100, "rows"), low=0, backbones={"minilm"}).would_take
