"""Attention in training on a CPU in bf16."""

import pytest
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from frod_bench.train.attention import attend_in_float32, training_attention

CPU = torch.device("cpu")


def heads() -> list[torch.Tensor]:
    """Query, key and value [2, 3, 16, 8]."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 16, 8, generator=generator, requires_grad=True) for _ in range(3)]


def grads(values: list[torch.Tensor], **options: object) -> list[torch.Tensor]:
    for value in values:
        value.grad = None
    functional.scaled_dot_product_attention(*values, **options).float().square().sum().backward()
    return [value.grad for value in values]


def error(got: list[torch.Tensor], exact: list[torch.Tensor]) -> float:
    return max(((g - e).norm() / e.norm()).item() for g, e in zip(got, exact, strict=True))


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": torch.ones(16, 16).tril().log()}])
def test_gradients_are_nearer_to_float32(options):
    values = heads()
    exact = grads(values, **options)
    with torch.autocast("cpu", torch.bfloat16):
        half = error(grads(values, **options), exact)
        with training_attention(CPU, "bf16"):
            ours = error(grads(values, **options), exact)
    assert ours < half / 1.2  # the output is rounded to bf16 in both


@pytest.mark.parametrize("options", [{}, {"enable_gqa": True}])
def test_the_output_keeps_the_dtype_of_autocast(options):
    query, key, value = heads()
    if options:
        key, value = key[:, :1], value[:, :1]
    with training_attention(CPU, "bf16"), torch.autocast("cpu", torch.bfloat16):
        assert (
            functional.scaled_dot_product_attention(query=query, key=key, value=value, **options).dtype
            == torch.bfloat16
        )


def test_half_precision_weights_keep_theirs_without_autocast():
    values = [value.detach().bfloat16() for value in heads()]
    with training_attention(CPU, "bf16"):
        assert functional.scaled_dot_product_attention(*values).dtype == torch.bfloat16


def test_everything_else_stays_in_autocast():
    with training_attention(CPU, "bf16"), torch.autocast("cpu", torch.bfloat16):
        functional.scaled_dot_product_attention(*heads())
        assert functional.linear(torch.ones(2, 3), torch.ones(4, 3)).dtype == torch.bfloat16


def test_recomputed_attention_is_the_same():
    values = heads()
    with torch.autocast("cpu", torch.bfloat16), training_attention(CPU, "bf16"):
        plain = [g.clone() for g in grads(values)]
        for value in values:
            value.grad = None
        checkpoint(
            functional.scaled_dot_product_attention, *values, use_reentrant=False
        ).float().square().sum().backward()
    assert all(torch.equal(a, value.grad) for a, value in zip(plain, values, strict=True))


@pytest.mark.parametrize(("device", "precision"), [("cpu", "no"), ("cuda", "bf16"), ("cuda", "fp16")])
def test_only_bf16_on_a_cpu_needs_it(device, precision):
    fused = functional.scaled_dot_product_attention
    with training_attention(torch.device(device), precision):
        assert functional.scaled_dot_product_attention is fused


def test_the_function_is_put_back():
    fused = functional.scaled_dot_product_attention
    with pytest.raises(ValueError), training_attention(CPU, "bf16"):
        assert functional.scaled_dot_product_attention is attend_in_float32
        raise ValueError
    assert functional.scaled_dot_product_attention is fused
