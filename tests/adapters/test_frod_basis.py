"""Layers over one V^T: when they share a projection, and when they must not."""

import copy

import pytest
import torch
from torch import nn

from frod_bench.adapters import frod_basis
from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.diag_sparse import random_pattern
from frod_bench.ops.frod_linear import WAYS


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


class Wide(nn.Module):
    """Three layers over one V^T that read the same input, and one that does not."""

    def __init__(self, way, shared):
        super().__init__()
        torch.manual_seed(0)
        plain = [nn.Linear(8, 8).requires_grad_(False) for _ in range(4)]
        factors = joint_decomposition([layer.weight for layer in plain])
        right = RightBasis(factors.V.T.float())
        rights = [right if shared else copy.deepcopy(right) for _ in range(4)]
        bases = [FrodBasis(right, random_pattern(8, 0.3, seed)) for seed, right in enumerate(rights)]
        self.layers = nn.ModuleList(
            FrodLinear(p, factors.U[i], factors.sigma[i], bases[i], way, layers_sharing_input=3 if shared else 1)
            for i, p in enumerate(plain)
        )
        with torch.no_grad():  # away from the start
            for layer in self.layers:
                layer.values += 0.1 * torch.randn(layer.values.shape, generator=torch.Generator().manual_seed(1))
                layer.sigma *= 1.1

    def forward(self, x):
        first, second, third, last = self.layers
        return last(first(x) * second(x) + third(x))


@pytest.mark.parametrize("way", WAYS)
def test_training_mode_inside_inference_mode(way):
    model = Wide(way, shared=True)
    expected = model(draw(5, 8))
    with torch.inference_mode():
        x = draw(5, 8)
        assert torch.equal(model(x), expected)
        x.mul_(2)
        assert not torch.equal(model(x), expected)


@pytest.mark.parametrize("way", ["factored", "residual"])
def test_layers_that_read_one_input_project_it_once(way, monkeypatch):
    results, calls = [], []
    compute = frod_basis.project
    monkeypatch.setattr(frod_basis, "project", lambda *a: calls.append(1) or compute(*a))
    for shared in (False, True):
        model, x = Wide(way, shared), draw(5, 8).requires_grad_()
        calls.clear()
        for _ in range(2):  # a second pass over the same tensor is a pass of its own
            model(x).square().sum().backward()
        assert len(calls) == (4 if shared else 0)  # a layer that shares with no other projects on its own
        results.append([x.grad, *(p.grad for p in model.parameters() if p.requires_grad)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_an_input_changed_in_place_is_projected_again():
    model = Wide("factored", shared=True)
    x = draw(5, 8)
    first, second, *_ = model.layers
    before = first(x)
    x.mul_(2)
    torch.testing.assert_close(second(x), Wide("factored", shared=False).layers[1](x))
    assert not torch.equal(before, first(x))


def test_an_input_that_comes_to_need_a_gradient_is_projected_again():
    first, second, *_ = Wide("factored", shared=True).layers
    x = draw(5, 8)
    before = first(x)  # whose graph keeps the projection alive
    second(x.requires_grad_()).sum().backward()
    assert before.requires_grad and x.grad is not None


def test_a_shared_v_stays_one_tensor_when_the_model_moves():
    model = Wide("factored", shared=True)
    for version in (model, copy.deepcopy(model), model.to(torch.float64)):
        assert len({layer.basis.Vt.data_ptr() for layer in version.layers}) == 1
        version(draw(5, 8).to(version.layers[0].U.dtype))
    assert model.layers[0].basis.Vt.dtype == torch.float64


def test_threads_with_inputs_of_their_own_get_projections_of_their_own(in_four_threads):
    model = Wide("factored", shared=True)
    right = model.layers[0].basis.right
    inputs = [draw(1, 8) + i for i in range(4)]
    expected = [right.Vt @ x.T for x in inputs]

    def project(i):
        for _ in range(3000):
            torch.testing.assert_close(right.project(inputs[i], torch.float32), expected[i])

    in_four_threads(project)
