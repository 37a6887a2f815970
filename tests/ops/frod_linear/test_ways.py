"""Every way of the FRoD linear layer against a dense float64 reference, forward and every gradient."""

import pytest
import torch
from torch.nn.functional import linear

from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.diag_sparse import random_pattern
from frod_bench.ops.frod_linear import factored_linear, merge_weight, merged_linear, project

SHAPES = [(4, 7), (6, 6), (9, 5)]  # m < n, m = n, m > n


class Case:
    """A layer in FRoD's coordinates, away from its start, and the three ways to apply it."""

    def __init__(self, m, n, sparsity=0.3, tokens=5, dtype=torch.float64, device="cpu"):
        kind = {"device": device, "dtype": dtype}
        generator = torch.Generator().manual_seed(10 * m + n)
        draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
        factors = joint_decomposition([draw(m, n), draw(m, n)])
        self.pattern = random_pattern(n, sparsity, seed=0).to(torch.device(device))
        self.U, self.Vt = factors.U[0].to(**kind), factors.V.T.contiguous().to(**kind)
        self.sigma0, self.bias = factors.sigma[0].to(**kind), draw(m).to(**kind)
        self.W = ((self.U.double() * self.sigma0.double()) @ self.Vt.double()).to(dtype)
        self.x = draw(tokens, n).to(**kind).requires_grad_()
        self.values = (0.1 * draw(self.pattern.nnz)).to(**kind).requires_grad_()
        self.sigma = (self.sigma0 + 0.1 * draw(n).to(**kind)).requires_grad_()

    def dense(self):
        M = torch.diag(self.sigma) + self.pattern.dense(torch.ones_like(self.values)).index_put(
            (self.pattern.rows, self.pattern.cols), self.values
        )
        return linear(self.x, self.U @ M @ self.Vt, self.bias)

    def factored(self):
        return factored_linear(project(self.x, self.Vt), self.U, self.values, self.sigma, self.pattern) + self.bias

    def residual(self):
        delta = self.sigma - self.sigma0
        correction = factored_linear(project(self.x, self.Vt), self.U, self.values, delta, self.pattern)
        return linear(self.x, self.W, self.bias) + correction

    def merged(self):
        delta = self.sigma - self.sigma0
        return merged_linear(self.x, self.W, self.U, self.Vt, self.values, delta, self.bias, self.pattern)

    def results(self, way):
        """Return y and the gradients of x, values and sigma of a fixed loss."""
        y = getattr(self, way)()
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
        gradients = torch.autograd.grad((y * weight).sum(), [self.x, self.values, self.sigma], allow_unused=True)
        return [y.detach(), *(torch.zeros(0) if g is None else g for g in gradients)]


@pytest.mark.parametrize("way", ["factored", "residual", "merged"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("m", "n"), [*SHAPES, (3, 1), (1, 4)])
def test_forward_and_gradients_equal_the_dense_reference(m, n, sparsity, way):
    case = Case(m, n, sparsity)
    for mine, reference in zip(case.results(way), case.results("dense"), strict=True):
        assert mine.numel() == reference.numel()
        torch.testing.assert_close(mine.view_as(reference), reference.to(mine.dtype), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("way", ["factored", "residual", "merged"])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_float32_is_as_near_as_float32_can_be(m, n, way):
    reference = Case(m, n).results("dense")
    for mine, exact in zip(Case(m, n, dtype=torch.float32).results(way), reference, strict=True):
        assert (mine.double() - exact).norm() <= 1e-5 * exact.norm()


@pytest.mark.parametrize("way", ["factored", "residual", "merged"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_first_and_second_derivatives(m, n, sparsity, way):
    case = Case(m, n, sparsity, tokens=3)

    def call(x, values, sigma):
        case.x, case.values, case.sigma = x, values, sigma
        return getattr(case, way)()

    assert torch.autograd.gradcheck(call, (case.x, case.values, case.sigma))
    assert torch.autograd.gradgradcheck(call, (case.x, case.values, case.sigma))


@pytest.mark.parametrize("way", ["factored", "residual", "merged"])
def test_only_what_is_asked_for_gets_a_gradient(way):
    case = Case(6, 6)
    case.x.requires_grad_(False)
    case.sigma.requires_grad_(False)
    y = getattr(case, way)()
    y.sum().backward()
    assert case.x.grad is None and case.sigma.grad is None and case.values.grad.abs().sum() > 0
    frozen = Case(6, 6)
    frozen.values.requires_grad_(False)
    frozen.sigma.requires_grad_(False)
    getattr(frozen, way)().sum().backward()
    assert frozen.values.grad is None and frozen.x.grad.abs().sum() > 0


@pytest.mark.parametrize("way", ["factored", "merged"])
def test_no_tokens(way):
    y, gradient_x, gradient_values, gradient_sigma = Case(4, 7, tokens=0).results(way)
    assert y.shape == (0, 4) and gradient_x.shape == (0, 7)
    assert (gradient_values == 0).all() and (gradient_sigma == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_merged_weight_is_the_base_weight_before_the_first_step(m, n, dtype):
    case = Case(m, n, dtype=dtype)
    zeros, still = torch.zeros(case.pattern.nnz), torch.zeros(n)
    assert torch.equal(merge_weight(case.W, case.U, case.Vt, zeros, still, case.pattern), case.W)
    moved = merge_weight(case.W, case.U, case.Vt, zeros + 1, still, case.pattern)
    assert not torch.equal(moved, case.W)


def test_merged_takes_a_weight_that_is_ready():
    case = Case(4, 7)
    delta = case.sigma - case.sigma0
    ready = torch.full_like(case.W, 2.0)
    arguments = case.x, case.W, case.U, case.Vt, case.values, delta, None, case.pattern
    torch.testing.assert_close(merged_linear(*arguments, merged=ready), case.x @ ready.T)


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("way", ["factored", "residual", "merged"])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_forward_and_gradients_on_a_gpu(m, n, way, dtype, tolerance):
    reference = Case(m, n).results("dense")
    for mine, exact in zip(Case(m, n, dtype=dtype, device="cuda").results(way), reference, strict=True):
        assert mine.device.type == "cuda"
        assert (mine.cpu().double() - exact).norm() <= tolerance * exact.norm()
