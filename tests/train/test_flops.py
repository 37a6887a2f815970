import torch
from torch import nn

from frod_bench.train.flops import FlopCount, typical_step


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


def test_the_typical_step_has_about_the_mean_padded_size():
    lengths = [10, 1, 1, 4, 4, 1]
    plan = [[[0, 1]], [[2, 5]], [[3], [4]]]  # padded: 20, 2, 8
    assert typical_step(plan, lengths) == 2
