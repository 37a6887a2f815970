"""Every way of the FRoD linear layer against a dense float64 reference, forward and every gradient."""

import pytest
import torch
from torch.nn.functional import linear

from frod_bench.linalg.joint import joint_decomposition
from frod_bench.linalg.right_inverse import basis_inverse
from frod_bench.ops.diag_sparse import random_pattern
from frod_bench.ops.frod_linear import (
    RIGHT_WAYS,
    WAYS,
    factored_linear,
    merge_weight,
    merged_linear,
    project,
    right_merged,
    right_residual,
)

SHAPES = [(4, 7), (6, 6), (9, 5)]  # m < n, m = n, m > n
SIDES = [(*shape, False) for shape in SHAPES] + [(4, 7, True)]  # m, n, on the short side
CASES = [(way, *side) for way in WAYS for side in SIDES if way not in RIGHT_WAYS or side[0] >= side[1] or side[2]]
every_case = pytest.mark.parametrize(("way", "m", "n", "short"), CASES)


class Case:
    """A layer in FRoD's coordinates, away from its start, and the ways to apply it."""

    def __init__(self, m, n, short=False, sparsity=0.3, tokens=5, dtype=torch.float64, device="cpu"):
        kind = {"device": device, "dtype": dtype}
        generator = torch.Generator().manual_seed(10 * m + n)
        draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
        weights, self.short = [draw(m, n), draw(m, n)], short
        factors = joint_decomposition([W.T for W in weights] if short else weights)
        V, U = factors.V, factors.U[0]
        self.pattern = random_pattern(len(V), sparsity, seed=0).to(torch.device(device))
        L, R = (V, U.T.contiguous()) if short else (U, V.T.contiguous())
        self.L, self.R, self.inverse = L.to(**kind), R.to(**kind), basis_inverse(V.T).to(**kind)
        self.sigma0, self.bias = factors.sigma[0].to(**kind), draw(m).to(**kind)
        self.W = ((self.L.double() * self.sigma0.double()) @ self.R.double()).to(dtype)
        self.x = draw(tokens, n).to(**kind).requires_grad_()
        self.values = (0.1 * draw(self.pattern.nnz)).to(**kind).requires_grad_()
        self.sigma = (self.sigma0 + 0.1 * draw(len(V)).to(**kind)).requires_grad_()

    def dense(self):
        M = torch.diag(self.sigma) + self.pattern.dense(torch.ones_like(self.values)).index_put(
            (self.pattern.rows, self.pattern.cols), self.values
        )
        return linear(self.x, self.L @ M @ self.R, self.bias)

    def factored(self):
        return factored_linear(self.x, self.L, self.values, self.sigma, self.pattern, self.bias, R=self.R)

    def residual(self):
        delta = self.sigma - self.sigma0
        correction = factored_linear(project(self.x, self.R), self.L, self.values, delta, self.pattern)
        return linear(self.x, self.W, self.bias) + correction

    def merged(self):
        delta = self.sigma - self.sigma0
        return merged_linear(self.x, self.W, self.L, self.R, self.values, delta, self.bias, self.pattern)

    def right(self, move):
        scale, delta = self.sigma0.reciprocal(), self.sigma - self.sigma0
        places = self.pattern.cols if self.short else self.pattern.rows
        numbers = self.values * scale[places], delta * scale, self.pattern
        if self.short:
            return move(linear(self.x, self.W, self.bias), self.bias, self.L, self.inverse.T, *numbers)
        return linear(move(self.x, None, self.inverse, self.R, *numbers), self.W, self.bias)

    def right_residual(self):
        return self.right(right_residual)

    def right_merged(self):
        return self.right(right_merged)

    def results(self, way):
        """Return y and the gradients of x, values and sigma of a fixed loss."""
        y = getattr(self, way)()
        weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
        gradients = torch.autograd.grad((y * weight).sum(), [self.x, self.values, self.sigma], allow_unused=True)
        return [y.detach(), *(torch.zeros(0) if g is None else g for g in gradients)]


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("way", "m", "n", "short"), [*CASES, *((way, 3, 1, False) for way in WAYS), *((way, 1, 4, True) for way in WAYS)]
)
def test_forward_and_gradients_equal_the_dense_reference(m, n, short, sparsity, way):
    case = Case(m, n, short, sparsity)
    for mine, reference in zip(case.results(way), case.results("dense"), strict=True):
        assert mine.numel() == reference.numel()
        torch.testing.assert_close(mine.view_as(reference), reference.to(mine.dtype), rtol=1e-10, atol=1e-10)


@every_case
def test_float32_is_as_near_as_float32_can_be(m, n, short, way):
    reference = Case(m, n, short).results("dense")
    for mine, exact in zip(Case(m, n, short, dtype=torch.float32).results(way), reference, strict=True):
        assert (mine.double() - exact).norm() <= 1e-5 * exact.norm()


@every_case
@pytest.mark.parametrize("sparsity", [0.0, 0.3])
def test_first_and_second_derivatives(m, n, short, sparsity, way):
    case = Case(m, n, short, sparsity, tokens=3)

    def call(x, values, sigma):
        case.x, case.values, case.sigma = x, values, sigma
        return getattr(case, way)()

    assert torch.autograd.gradcheck(call, (case.x, case.values, case.sigma))
    assert torch.autograd.gradgradcheck(call, (case.x, case.values, case.sigma))


@pytest.mark.parametrize("way", WAYS)
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


@every_case
def test_no_tokens(m, n, short, way):
    y, gradient_x, gradient_values, gradient_sigma = Case(m, n, short, tokens=0).results(way)
    assert y.shape == (0, m) and gradient_x.shape == (0, n)
    assert (gradient_values == 0).all() and (gradient_sigma == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_merged_weight_is_the_base_weight_before_the_first_step(m, n, dtype):
    case = Case(m, n, dtype=dtype)
    zeros, still = torch.zeros(case.pattern.nnz), torch.zeros(n)
    assert torch.equal(merge_weight(case.W, case.L, case.R, zeros, still, case.pattern), case.W)
    moved = merge_weight(case.W, case.L, case.R, zeros + 1, still, case.pattern)
    assert not torch.equal(moved, case.W)


def test_merged_takes_a_weight_that_is_ready():
    case = Case(4, 7)
    delta = case.sigma - case.sigma0
    ready = torch.full_like(case.W, 2.0)
    arguments = case.x, case.W, case.L, case.R, case.values, delta, None, case.pattern
    torch.testing.assert_close(merged_linear(*arguments, merged=ready), case.x @ ready.T)


@every_case
def test_the_right_ways_start_at_the_base_to_the_last_bit(m, n, short, way):
    for dtype in (torch.float32, torch.bfloat16) if way in RIGHT_WAYS else ():
        case = Case(m, n, short, dtype=dtype)
        case.values, case.sigma = torch.zeros_like(case.values), case.sigma0
        assert torch.equal(getattr(case, way)(), linear(case.x, case.W, case.bias))


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@every_case
def test_forward_and_gradients_on_a_gpu(m, n, short, way, dtype, tolerance):
    reference = Case(m, n, short).results("dense")
    for mine, exact in zip(Case(m, n, short, dtype=dtype, device="cuda").results(way), reference, strict=True):
        assert mine.device.type == "cuda"
        assert (mine.cpu().double() - exact).norm() <= tolerance * exact.norm()
