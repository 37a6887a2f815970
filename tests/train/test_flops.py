"""Counts against closed forms, and against the profiler, which sees inside every operator."""

import pytest
import torch
from torch import nn

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.methods import attach, method_names
from frod_bench.ops.cost import (
    frod_factored_step,
    frod_merged_step,
    frod_right_merged_step,
    frod_right_residual_step,
)
from frod_bench.ops.diag_sparse import PATTERNS
from frod_bench.ops.frod_linear import RIGHT_WAYS, WAYS
from frod_bench.train.flops import FlopCount, typical_step

TOKENS = 5


def test_forward_and_backward_of_a_linear_layer_are_three_products():
    layer, x = nn.Linear(8, 5), torch.randn(3, 8, requires_grad=True)
    with FlopCount() as count:
        layer(x).sum().backward()
    assert count.total == 3 * 2 * 3 * 8 * 5


def test_a_frozen_layer_has_one_product_less():
    layer, x = nn.Linear(8, 5).requires_grad_(False), torch.randn(3, 8, requires_grad=True)
    with FlopCount() as count:
        layer(x).sum().backward()
    assert count.total == 2 * 2 * 3 * 8 * 5


def test_attention_is_counted():
    q = torch.randn(1, 2, 7, 4)
    with FlopCount() as count:
        nn.functional.scaled_dot_product_attention(q, q, q)
    assert count.total == 2 * 2 * (2 * 7 * 7 * 4)


def frod_layer(m, n, kind, dtype, short=False, **options):
    """Return a FRoD layer [m, n] in training over a basis of no meaning."""
    torch.manual_seed(0)
    k, own = (m, n) if short else (n, m)
    base = nn.Linear(n, m).to(dtype).requires_grad_(False)
    right = RightBasis(*(torch.randn(k, k, dtype=dtype) for _ in range(2)))
    basis, error = FrodBasis(right, PATTERNS[kind](k, 0.1, seed=0)), 0.0 if own >= k else 1.0
    U = torch.randn(own, k, dtype=dtype)
    return FrodLinear(base, U, torch.rand(k), basis, short=short, right_error=error, **options).train()


def product_with_m(layer, columns):
    """Return the multiply-adds of one product with M, or of sampling one, over so many columns."""
    pattern = layer.basis.pattern
    if hasattr(pattern, "height"):
        tiles = -(-pattern.n // pattern.height)
        return tiles * pattern.height * (pattern.height + 2 * pattern.halo) * columns
    dense = layer.weight.dtype == torch.bfloat16
    return pattern.n**2 * columns if dense else 0  # sparse products are not counted


@pytest.mark.parametrize("way", [*WAYS, "recompute"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize(
    ("m", "n", "short"), [(12, 12, False), (30, 12, False), (8, 12, False), (8, 12, True), (12, 30, True)]
)
@pytest.mark.parametrize("passes", [1, 4])
def test_a_step_of_a_frod_layer_costs_what_the_cost_model_says(m, n, short, kind, dtype, way, passes):
    options = {"way": "merged", "recompute": True} if way == "recompute" else {"way": way}
    layer = frod_layer(m, n, kind, dtype, short, **options)
    layer.cache_merged_weight(passes if passes > 1 else 0)
    with FlopCount() as count:
        for _ in range(passes):
            x = torch.randn(TOKENS, n, dtype=dtype, requires_grad=True)
            layer(x).sum().backward()
    if way in RIGHT_WAYS and m < n and not short:
        way = RIGHT_WAYS[way]  # there is no such form
    sizes = TOKENS, m, n, m if short else n, product_with_m(layer, 1)
    expected = {
        "factored": frod_factored_step(*sizes),
        "residual": frod_factored_step(*sizes, base_stays=True),
        "merged": frod_merged_step(*sizes, passes),
        "recompute": frod_merged_step(*sizes, recompute=True),
        "right_residual": frod_right_residual_step(*sizes),
        "right_merged": frod_right_merged_step(*sizes, passes),
    }
    assert count.total == pytest.approx(2 * passes * expected[way])


@pytest.mark.parametrize(
    ("way", "m", "n", "short"),
    [("merged", 12, 8, False), ("merged", 8, 12, False), ("right_merged", 12, 8, False), ("right_merged", 8, 12, True)],
)
def test_summing_the_gradient_of_the_merged_weight_costs_what_the_cost_model_says(way, m, n, short):
    layer = frod_layer(m, n, "random", torch.float32, short, way=way)
    cost = {"merged": frod_merged_step, "right_merged": frod_right_merged_step}[way]
    with FlopCount() as count:
        layer.cache_merged_weight(4, sum_gradients=True)
        for _ in range(4):
            layer(torch.randn(TOKENS, n, requires_grad=True)).sum().backward()
        layer.add_summed_gradient()
    sizes = TOKENS, m, n, m if short else n, 0
    assert count.total == pytest.approx(2 * 4 * cost(*sizes, passes=4, summed=True))
    assert cost(*sizes, passes=4, summed=True) < cost(*sizes, passes=4)


def count_and_profile(model, x):
    """Return the counted FLOPs of a step, and those of the matrix products that the profiler has seen."""
    with FlopCount() as count:
        model(x).float().sum().backward()
    with torch.profiler.profile(with_flops=True) as profile:
        model(x).float().sum().backward()
    products = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
    return count.total, sum(event.flops for event in profile.events() if event.name in products)


@pytest.mark.parametrize("method", [name for name in method_names() if name != "qlora"])
def test_no_dense_product_of_a_method_is_missed(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 128), nn.Linear(128, 3)).to(torch.bfloat16)
    adapted = attach(model, method, targets=["0", "1"], head=["2"])
    counted, seen = count_and_profile(adapted.model.train(), torch.randn(TOKENS, 64, dtype=torch.bfloat16))
    assert counted == seen > 0


def test_a_product_with_a_four_bit_weight_counts_like_any():
    """It may be a kernel of its own, which the profiler does not see inside either."""
    counts = []
    for method in ("lora", "qlora"):
        model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 128), nn.Linear(128, 3))
        adapted = attach(model, method, targets=["0", "1"], head=["2"], rank=4)
        with FlopCount() as count:
            adapted.model.train()(torch.randn(TOKENS, 64)).sum().backward()
        counts.append(count.total)
    assert counts[0] == counts[1] > 0


def test_a_sparse_product_does_not_count_as_a_dense_one():
    S = torch.eye(6).to_sparse()
    with FlopCount() as count:
        torch.sparse.mm(S, torch.randn(6, 4, requires_grad=True)).sum().backward()
    assert count.total == 0


def test_the_typical_step_has_about_the_mean_padded_size():
    lengths = [10, 1, 1, 4, 4, 1]
    plan = [[[0, 1]], [[2, 5]], [[3], [4]]]  # padded: 20, 2, 8
    assert typical_step(plan, lengths) == 2
