"""GOAT against its definitions in float64: segments, the residual weight, routing, scale and load balance."""

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertForSequenceClassification

from frod_bench.adapters.moe_lora import MoeLoraLinear, count_routes, load_balance
from frod_bench.errors import RequestError
from frod_bench.methods import attach, make_method
from frod_bench.methods.goat import moe_layers

OPTIONS = {"rank": 8, "experts": 4, "top_k": 2, "rho": 5.0}


@pytest.fixture
def layer():
    """Return the weight [24, 16] of a layer, and the layer with four experts of rank two."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24))
    weight = model[0].weight.detach().clone()
    attach(model, "goat", targets=["0"], seed=1, **OPTIONS)
    return weight, model[0]


def test_experts_start_from_segments_and_their_mean_is_taken_from_the_weight(layer):
    weight, adapter = layer
    s = (3 * 16 * 1.0 / 2) ** 0.5
    assert adapter.scale == pytest.approx(s)
    P, sigma, Qt = torch.linalg.svd(weight.double(), full_matrices=False)
    total = torch.zeros_like(weight, dtype=torch.float64)
    for expert in range(4):
        part = slice(4 * expert, 4 * expert + 2)
        segment = (P[:, part] * sigma[part]) @ Qt[part]
        own = slice(2 * expert, 2 * expert + 2)
        product = adapter.B[:, own] @ adapter.A[own]
        torch.testing.assert_close(s * product, (segment / 5.0).float(), rtol=1e-4, atol=1e-6)
        total += s * product.double()
    expected = weight.double() - total / 4
    torch.testing.assert_close(adapter.base_layer.weight, expected.float(), rtol=1e-4, atol=1e-6)


def test_the_output_is_the_sum_over_the_chosen_experts(layer):
    _, adapter = layer
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(2))
    got = adapter(x)
    for index in ((0, 0), (1, 3), (2, 4)):
        token = x[index].double()
        share = (adapter.router.double() @ token).softmax(dim=0)
        top, chosen = share.topk(2)
        y = adapter.base_layer.weight.double() @ token + adapter.base_layer.bias.double()
        for weight, expert in zip(top / top.sum(), chosen, strict=True):
            own = slice(2 * expert, 2 * expert + 2)
            y += weight * adapter.scale * (adapter.B[:, own].double() @ (adapter.A[own].double() @ token))
        torch.testing.assert_close(got[index], y.float(), rtol=1e-4, atol=1e-5)


def test_steps_equal_the_definition_in_float64(layer):
    _, adapter = layer
    W, bias = adapter.base_layer.weight.detach().double(), adapter.base_layer.bias.detach().double()
    A, B, router = mine = [p.detach().clone().double().requires_grad_() for p in (adapter.A, adapter.B, adapter.router)]
    x, wanted = torch.randn(32, 16), torch.randn(32, 24)
    optimizers = [torch.optim.AdamW(ps, lr=1e-2, eps=1e-4) for ps in ((adapter.A, adapter.B, adapter.router), mine)]
    first = None
    for _ in range(10):
        share = (x.double() @ router.T).softmax(dim=1)
        top, chosen = share.topk(2, dim=1)
        parts = zip(A.split(2), B.split(2, dim=1), strict=True)
        experts = torch.stack([adapter.scale * x.double() @ a.T @ b.T for a, b in parts], dim=1)  # [T, E, m]
        picked = experts.gather(1, chosen[..., None].expand(-1, -1, 24))  # [T, k, m]
        y = x.double() @ W.T + bias + ((top / top.sum(dim=1, keepdim=True))[..., None] * picked).sum(dim=1)
        hits = torch.bincount(chosen.flatten(), minlength=4) / chosen.numel()
        balance = 4 * (hits * share.mean(dim=0)).sum()
        error = (adapter(x) - wanted).square().mean()
        losses = [error + 0.1 * load_balance(*adapter.pop_routing()), (y - wanted).square().mean() + 0.1 * balance]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
        first = first or losses[1].item()
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert losses[1] < 0.9 * first


def test_uniform_routing_over_all_experts_is_the_base_layer(layer):
    weight, adapter = layer
    adapter.router.data.zero_()
    adapter.top_k = 4
    x = torch.randn(5, 16)
    torch.testing.assert_close(adapter(x), nn.functional.linear(x, weight, adapter.base_layer.bias))


def test_the_balance_term():
    share = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]], dtype=torch.float64)
    chosen = torch.tensor([[0, 1], [0, 1]])
    assert load_balance(*count_routes(share, chosen)).item() == pytest.approx(3 * (0.5 * 0.6 + 0.5 * 0.3))
    even = torch.full((4, 2), 0.5)
    assert load_balance(*count_routes(even, torch.tensor([[0], [1], [0], [1]]))).item() == pytest.approx(1.0)


def test_the_auxiliary_loss_is_the_sum_over_the_layers_once(make_model, targets, batch):
    adapted = attach(make_model(), "goat", targets=targets, balance=0.5)
    assert adapted.auxiliary_loss() == 0.0
    adapted.model.train()(**batch)
    terms = [load_balance(*adapter.routing).item() for _, adapter in moe_layers(adapted.model)]
    loss = adapted.auxiliary_loss()
    assert len(terms) == 12 and loss.item() == pytest.approx(0.5 * sum(terms))
    loss.backward()
    assert all(adapter.router.grad.abs().sum() > 0 for _, adapter in moe_layers(adapted.model))
    assert adapted.auxiliary_loss() == 0.0
    adapted.model.eval()(**batch)
    assert adapted.auxiliary_loss() == 0.0


def router_gradients(model, targets, batch, reentrant=None):
    """Return the gradients of all routers for the load-balance term alone."""
    adapted = attach(model, "goat", targets=targets, balance=1.0)
    if reentrant is not None:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        model.enable_input_require_grads()
    model.train()(**batch)
    adapted.auxiliary_loss().backward()
    assert all(adapter.routing is None for _, adapter in moe_layers(model))  # not left by what was computed again
    return [adapter.router.grad for _, adapter in moe_layers(model)]


def test_checkpointing_gives_the_load_balance_term_its_gradient_or_is_refused(make_model, targets, batch):
    plain = router_gradients(make_model(), targets, batch)
    again = router_gradients(make_model(), targets, batch, reentrant=False)
    assert all(gradient.abs().sum() > 0 for gradient in plain)
    torch.testing.assert_close(again, plain)
    with pytest.raises(RequestError, match=r'"use_reentrant": False'):
        router_gradients(make_model(), targets, batch, reentrant=True)


def test_a_layer_that_blocks_share_has_one_term_over_the_tokens_of_all_of_them():
    config = AlbertConfig(
        vocab_size=20, embedding_size=8, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
        num_attention_heads=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AlbertForSequenceClassification(config)
    adapted = attach(model, "goat", targets=["ffn"], rank=4, experts=4, balance=1.0)
    ((_, layer),) = moe_layers(model)
    seen = []
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().reshape(-1, 16)))
    model.train()
    for ids in (torch.arange(10).view(2, 5), torch.arange(6, 20).view(2, 7)):  # only the last pass counts
        seen.clear()
        model(ids)
    share = (torch.cat(seen).double() @ layer.router.detach().double().T).softmax(dim=1)
    expected = load_balance(*count_routes(share, share.topk(2, dim=1).indices)).item()
    assert len(seen) == 3
    loss = adapted.auxiliary_loss()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert layer.router.grad.norm() > 0
    adapted.detach()
    assert not model._forward_pre_hooks


def test_parts_of_a_step_add_up_to_the_step(make_model, targets, batch):
    adapted = attach(make_model(), "goat", targets=targets, balance=1.0)
    model, routers = adapted.model.train(), [adapter.router for _, adapter in moe_layers(adapted.model)]
    model(**batch)
    whole = torch.autograd.grad(adapted.auxiliary_loss(), routers)
    parts = [{name: value[rows] for name, value in batch.items()} for rows in (slice(0, 1), slice(1, 4))]
    statistics = 0
    for part in parts:
        model(**part)
        statistics = statistics + adapted.batch_statistics()
    summed = [torch.zeros_like(router) for router in routers]
    for part, share in zip(parts, (0.25, 0.75), strict=True):
        model(**part)
        for total, own in zip(summed, torch.autograd.grad(adapted.auxiliary_loss(statistics), routers), strict=True):
            total += share * own
    torch.testing.assert_close(summed, list(whole), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n", "rank", "eta", "expected"), [(768, 8, 1.0, 48.0), (3072, 8, 1.0, 96.0), (4096, 32, 0.1, 17.5)]
)
def test_scales_of_the_papers_models(n, rank, eta, expected):
    assert make_method("goat", rank=rank, eta=eta).scale(n) == pytest.approx(expected, abs=0.05)
    assert make_method("goat", rank=rank, alpha=2.0 * rank, scaling="alpha").scale(n) == 16.0


def test_nothing_merges_or_goes_to_peft(make_model, targets, tmp_path):
    adapted = attach(make_model(), "goat", targets=targets)
    with pytest.raises(RequestError, match="GOAT cannot be merged"):
        adapted.merge()
    with pytest.raises(RequestError, match="no form in PEFT"):
        adapted.save(tmp_path, format="peft")
    assert sum(isinstance(m, MoeLoraLinear) for m in adapted.model.modules()) == 12
