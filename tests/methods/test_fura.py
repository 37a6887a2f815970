"""FuRA and QFuRA against their definitions in float64."""

import pytest
import torch
from torch import nn

from frod_bench.adapters.fura import FuraLinear
from frod_bench.adapters.nf4 import Nf4Matrix
from frod_bench.errors import RequestError
from frod_bench.linalg.block_svd import block_factors
from frod_bench.methods import attach, make_method


@pytest.mark.parametrize(("m", "n", "trained"), [(24, 16, "right"), (8, 16, "right"), (4, 16, "left"), (3, 16, "left")])
def test_the_smaller_core_trains_and_a_tie_goes_left(m, n, trained):
    base = nn.Linear(n, m)
    weight, bias = base.weight.detach().clone(), base.bias.detach().clone()
    layer = FuraLinear(base, block_factors(weight), train_bias=True)
    names = {name for name, p in layer.named_parameters() if p.requires_grad}
    assert names == {"s", "bias", "right" if trained == "right" else "left.matrix"}
    x = torch.randn(2, 3, n)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, weight, bias), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.merged_weight(), weight, rtol=1e-4, atol=1e-5)
    assert torch.equal(layer.restored_base().weight, weight)


@pytest.mark.parametrize("method", ["fura", "qfura"])
def test_the_record_says_how_the_blocks_depart_from_the_script(method, attached):
    assert "by heads" in attached(method).facts["departs"]


def test_a_step_projects_the_gradient_on_the_left_singular_space():
    """W_i moves by -lr L s^2 L^T G_i for a small step on R: the preconditioning that the method is named after."""
    torch.manual_seed(0)
    base = nn.Linear(16, 24, bias=False)
    weight = base.weight.detach().clone()
    layer = FuraLinear(base, block_factors(weight), train_bias=True)
    x, lr = torch.randn(32, 16), 1e-3
    layer(x).square().sum().backward()
    with torch.no_grad():
        layer.right -= lr * layer.right.grad
    gradient = 2 * (x @ weight.T).T @ x
    f = block_factors(weight)
    expected = torch.cat(
        [
            -lr * (L * s.square()) @ L.T @ gradient[:, 4 * i : 4 * i + 4]
            for i, (L, s) in enumerate(zip(f.L, f.s, strict=True))
        ],
        dim=1,
    )
    torch.testing.assert_close(layer.merged_weight() - weight, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("m", "n"), [(24, 16), (4, 16)])
def test_steps_equal_the_definition_in_float64(m, n):
    torch.manual_seed(0)
    base = nn.Linear(n, m)
    factors, x, wanted = block_factors(base.weight.double()), torch.randn(32, n), torch.randn(32, m)
    L, s, R, b = (t.detach().clone().double() for t in (factors.L, factors.s, factors.R, base.bias))
    trained = [s, R if m > n // len(R) else L, b]
    layer = FuraLinear(base, block_factors(base.weight), train_bias=True)
    own = [p for p in layer.parameters() if p.requires_grad]
    assert sum(p.numel() for p in own) == sum(p.numel() for p in trained)
    optimizers = [torch.optim.AdamW([p.requires_grad_() for p in ps], lr=1e-2, eps=1e-4) for ps in (own, trained)]
    for _ in range(10):
        parts = x.double().view(32, *R.shape[:2])
        y = torch.einsum("qmk,qk,qbk,tqb->tm", L, s, R, parts) + b
        losses = [(layer(x) - wanted).square().mean(), (y - wanted).square().mean()]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert losses[1] < 0.9 * (x @ base.weight.T + base.bias - wanted).square().mean()


def test_counts_of_the_papers_models():
    clip = [(768, 768)] * 48 + [(3072, 768)] * 12 + [(768, 3072)] * 12
    assert make_method("fura", bias=False).trainable_parameters(clip) == 3_916_800
    llama = ([(4096, 4096)] * 4 + [(11008, 4096)] * 2 + [(4096, 11008)]) * 32
    assert make_method("fura", bias=False).trainable_parameters(llama) == 96_559_104


def test_biases_train_unless_told_otherwise(make_model, targets):
    biases = sum(32 * 5 + 64 for _ in range(2))
    counts = [attach(make_model(), "fura", targets=targets, bias=b).count()["adapter"] for b in (True, False)]
    assert counts[0] - counts[1] == biases


def test_the_frozen_core_of_qfura_is_four_bit_along_left_singular_vectors():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64))
    weight = model[0].weight.detach().clone()
    adapted = attach(model, "qfura", targets=["0"])
    core, exact = model[0].left, block_factors(weight).L.transpose(1, 2).reshape(16, 64)
    assert isinstance(core, Nf4Matrix) and core.packed.dtype == torch.uint8 and core.packed.numel() == 16 * 64 // 2
    scale = exact.abs().amax(dim=1, keepdim=True)  # a block is a singular vector, so its scale is that of a row
    assert ((core.dense() - exact).abs() <= 0.17 * scale).all()  # half the widest gap of NF4 is 0.152
    torch.testing.assert_close(model[0].right.detach(), block_factors(weight).R)
    x = torch.randn(5, 16, requires_grad=True)
    y = model(x)
    torch.testing.assert_close(
        y, nn.functional.linear(x, model[0].merged_weight(), model[0].bias), rtol=1e-4, atol=1e-5
    )
    y.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * y @ model[0].merged_weight(), rtol=1e-4, atol=1e-4)
    assert torch.equal(adapted.detach()[0].weight, weight)


def test_qfura_needs_a_large_left_core():
    with pytest.raises(RequestError, match=r"\[3, 16\] has no large left core"):
        attach(nn.Sequential(nn.Linear(16, 3)), "qfura", targets=["0"])
