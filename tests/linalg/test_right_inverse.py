"""U from W and V alone, and the error that says whether it may be used."""

import pytest
import torch

from frod_bench.linalg.joint import joint_decomposition
from frod_bench.linalg.joint_stored import stored_joint_factors
from frod_bench.linalg.right_inverse import NO_FORM, basis_inverse, right_errors


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))


def draw(*shapes, condition=1.0, dtype=torch.float64):
    """Return weights that are smaller by up to `condition` along common directions."""
    generator = torch.Generator().manual_seed(0)
    random = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    n = shapes[0][1]
    scales = torch.logspace(0, -torch.tensor(condition).log10().item(), n, dtype=torch.float64)
    directions = torch.linalg.qr(random(n, n)).Q
    return [(random(*shape) * scales @ directions).to(dtype) for shape in shapes]


def test_it_is_u_in_float64():
    weights = draw((9, 6), (7, 6))
    factors = joint_decomposition(weights)
    inverse = basis_inverse(factors.V.T)
    for W, U, sigma in zip(weights, factors.U, factors.sigma, strict=True):
        torch.testing.assert_close(W @ inverse / sigma, U, rtol=1e-10, atol=1e-10)
    assert (right_errors(weights, factors.U, factors.sigma, inverse) < 1e-12).all()


def test_the_error_is_that_of_the_worst_column():
    weights = draw((400, 300), (500, 300), dtype=torch.float32)
    factors = joint_decomposition(weights, dtype=torch.float32)
    inverse = basis_inverse(factors.V.T).float()
    found = right_errors(weights, factors.U, factors.sigma, inverse)
    for W, U, sigma, error in zip(weights, factors.U, factors.sigma, found, strict=True):
        exact = (W @ inverse / sigma.float() - U).norm(dim=0).max()
        assert exact / 3 < error < 3 * exact < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_grows_with_the_condition_of_v(dtype):
    errors = []
    for condition in (1.0, 1e2, 1e4, 1e6):
        weights = draw((60, 40), (80, 40), condition=condition, dtype=dtype)
        errors.append(stored_joint_factors(["a", "b"], weights, None, 1e-3)["right_errors"].max().item())
    assert errors[0] < (1e-5 if dtype == torch.float32 else 2e-2) and errors[-1] > 1e-4
    assert errors == sorted(errors)


def test_what_has_no_such_form():
    wide, few, dependent = draw((4, 6), (9, 6)), draw((2, 6), (2, 6)), draw((9, 6), (9, 6))
    for weight in dependent:
        weight[:, 1] = weight[:, 0]
    assert stored_joint_factors(["a", "b"], wide, None, 1e-3)["right_errors"][0] == NO_FORM
    factors = stored_joint_factors(["a", "b"], few, None, 1e-3)
    assert "inverse" not in factors and (factors["right_errors"] == NO_FORM).all()
    assert (stored_joint_factors(["a", "b"], dependent, None, 1e-3)["right_errors"] > 1e-5).all()
    assert basis_inverse(torch.zeros(3, 3)) is None


def test_a_zero_in_sigma_has_none():
    weights = draw((9, 6), (9, 6))
    factors = joint_decomposition(weights)
    factors.sigma[0][2] = 0.0
    errors = right_errors(weights, factors.U, factors.sigma, basis_inverse(factors.V.T))
    assert errors[0] == NO_FORM and errors[1] < 1e-12
