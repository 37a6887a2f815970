"""The choice of a way follows its cost model at the ends of every axis."""

import pytest
import torch

from frod_bench.ops.frod_linear import WAYS, choose_way, starts_at_base

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
