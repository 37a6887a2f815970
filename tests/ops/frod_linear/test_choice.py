"""The choice of a way follows its cost model at the ends of every axis."""

import pytest
import torch

from frod_bench.ops import cost
from frod_bench.ops.frod_linear import RIGHT_WAYS, WAYS, choose_way, needs_U, starts_at_base, ways_of_layer

EXACT = ("residual", "merged")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_few_tokens_and_many_tokens(dtype):
    few = choose_way(8, 768, 768, 768, 16 * 11796, dtype)
    assert few == ("factored" if dtype == torch.float32 else "residual")
    assert choose_way(100_000, 768, 768, 768, 16 * 11796, dtype) == "merged"


def test_tall_layers_stay_factored_when_s_is_sparse():
    assert choose_way(100_000, 4 * 768, 768, 768, 0, torch.float32) == "factored"
    assert choose_way(100_000, 4 * 768, 768, 768, 768 * 767, torch.float32) == "merged"


def test_a_weight_that_serves_several_passes_is_cheaper():
    assert choose_way(1400, 768, 768, 768, 0, torch.float32) == "factored"
    assert choose_way(1400, 768, 768, 768, 0, torch.float32, passes=8) == "merged"


def test_every_answer_is_a_way():
    for tokens in (0, 1, 10, 10**6):
        for m, n, nnz in ((1, 1, 0), (4, 1024, 10), (1024, 4, 12)):
            assert choose_way(tokens, m, n, n, nnz, torch.float32) in WAYS


def test_sharing_the_projection_makes_the_factored_way_cheaper():
    assert choose_way(4000, 768, 768, 768, 0, torch.float32) == "merged"
    assert choose_way(4000, 768, 768, 768, 0, torch.float32, layers_sharing_input=3) == "factored"


def test_factors_too_far_from_the_weight_are_left_out():
    assert choose_way(8, 768, 768, 768, 0, torch.float32, ways=EXACT) == "residual"
    assert choose_way(100_000, 768, 768, 768, 0, torch.float32, ways=EXACT) == "merged"
    assert starts_at_base(1e-5, torch.float32) and not starts_at_base(2e-5, torch.float64)
    assert starts_at_base(1e-2, torch.bfloat16) and not starts_at_base(float("nan"), torch.bfloat16)


def test_a_tall_layer_takes_a_right_way_in_half_precision():
    sizes = 3 * 768, 768, 768, 768**2, torch.bfloat16
    assert choose_way(8, *sizes, ways=WAYS) == "right_residual"
    assert choose_way(100_000, *sizes, ways=WAYS) == "right_merged"
    assert choose_way(1_000, *sizes, passes=8, ways=WAYS) == "right_merged"
    square = 768, 768, 768, 768**2, torch.bfloat16
    assert choose_way(8, *square, ways=WAYS) == "residual" and choose_way(100_000, *square, ways=WAYS) == "merged"


def test_the_ways_of_a_layer():
    exact, none = 1e-6, 1.0
    assert ways_of_layer(8, 8, torch.float32, exact, exact) == WAYS
    assert ways_of_layer(8, 8, torch.float32, exact, 1e-4) == ("factored", "residual", "merged")
    assert ways_of_layer(8, 8, torch.float32, 1e-4, none) == ("residual", "merged")
    assert ways_of_layer(8, 8, torch.float32, exact, float("nan")) == ("factored", "residual", "merged")
    assert ways_of_layer(11_008, 4_096, torch.bfloat16, exact, 5e-3) == tuple(RIGHT_WAYS)
    assert ways_of_layer(11_008, 4_096, torch.bfloat16, exact, none) == ("factored", "residual", "merged")
    assert ways_of_layer(11_008, 4_096, torch.float32, exact, exact) == WAYS
    for forced, other in RIGHT_WAYS.items():
        assert ways_of_layer(8, 8, torch.float32, exact, exact, forced) == (forced,)
        assert ways_of_layer(8, 8, torch.float32, exact, none, forced) == (other,)
        assert not needs_U([forced]) and needs_U([forced, other])


def test_what_right_ways_alone_cost_more_where_merged_is_the_cheapest():
    """At 2.5 outputs an input, the least for which U is left out, and any number of tokens."""
    for tokens in (10, 1_000, 10**5, 10**8):
        sizes = tokens, 2_500, 1_000, 1_000, 1_000**2
        right = min(cost.frod_right_residual_step(*sizes), cost.frod_right_merged_step(*sizes))
        others = min(cost.frod_factored_step(*sizes, base_stays=True), cost.frod_merged_step(*sizes))
        assert right <= 1.07 * others
