"""Symmetric products and eigenvectors against torch's own, whichever library computes them."""

import pytest
import torch

from frod_bench.linalg import symmetric
from frod_bench.linalg.symmetric import add_gram, eigenvectors

DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=[True, False], ids=["openblas", "torch"])
def library(request, monkeypatch):
    monkeypatch.setattr(symmetric, "_openblas_is_faster", lambda: request.param)
    if not request.param:
        monkeypatch.setattr(symmetric, "_by_scipy", lambda tensor: False)


def draw(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "strided"])
def test_a_product_is_added_to_the_upper_triangle(library, dtype, layout):
    A = {"rows": draw(7, 9, dtype=dtype), "columns": draw(9, 7, dtype=dtype).T, "strided": draw(14, 18)[::2, ::2]}
    A = A[layout].to(dtype)
    before = draw(9, 9, dtype=dtype)
    out = before.clone()
    add_gram(out, A, -0.5)
    torch.testing.assert_close(out.triu(), (before - 0.5 * A.T @ A).triu(), rtol=1e-5, atol=1e-5)


def test_scipy_writes_nothing_below_the_diagonal():
    out = draw(9, 9)
    below = out.tril(-1)
    add_gram(out, draw(4, 9))
    assert torch.equal(out.tril(-1), below)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 60])
def test_eigenvectors_are_orthogonal_and_ascend(library, dtype, n):
    A = draw(n, n, dtype=dtype)
    T = A @ A.T
    Z = eigenvectors(T.triu())  # the lower triangle is not read
    kind = {"rtol": 0.0, "atol": 2e-6 if dtype == torch.float32 else 1e-13}
    torch.testing.assert_close(Z.T @ Z, torch.eye(n, dtype=dtype), **kind)
    values = (Z.T @ T @ Z).diagonal()
    torch.testing.assert_close(values, torch.linalg.eigvalsh(T), rtol=1e-4, atol=1e-4)


def test_the_two_libraries_agree_up_to_signs(monkeypatch):
    A, found = draw(40, 40), []
    for openblas in (True, False):
        monkeypatch.setattr(symmetric, "_openblas_is_faster", lambda answer=openblas: answer)
        found.append(eigenvectors(A @ A.T))
    sign = (found[0] * found[1]).sum(dim=0).sign()
    torch.testing.assert_close(found[0] * sign, found[1], rtol=1e-8, atol=1e-8)


def test_it_takes_as_many_threads_as_torch(monkeypatch):
    asked = []

    class Libraries:
        def limit(self, limits, user_api):
            asked.append((limits, user_api))
            return torch.no_grad()

    monkeypatch.setattr(symmetric, "_libraries", Libraries)
    add_gram(draw(3, 3), draw(3, 3))
    assert asked == [(torch.get_num_threads(), "blas")]
