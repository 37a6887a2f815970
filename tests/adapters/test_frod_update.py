"""The geometry of an update against its definitions, written out densely."""

import pytest
import torch

from frod_bench.adapters.frod_update import singular_value_shift, update_geometry
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.ops.diag_sparse import PATTERNS


def make(m, n, kind="random", scale=0.1):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
    factors = joint_decomposition([draw(m, n), draw(m, n)])
    pattern = PATTERNS[kind](n, 0.2, seed=0)
    sigma = factors.sigma[0] + scale * draw(n)
    return factors.U[0], factors.V.T, pattern, scale * draw(pattern.nnz), sigma, factors.sigma[0]


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize(("m", "n"), [(6, 10), (8, 8), (12, 8)])
def test_every_number_equals_its_definition(m, n, kind):
    U, Vt, pattern, values, sigma, start = make(m, n, kind)
    found = update_geometry(U, Vt, pattern, values, sigma, start)
    S = pattern.dense(values)
    off, on = U @ S @ Vt, U @ torch.diag(sigma - start) @ Vt
    assert found.off == pytest.approx(off.norm().item())
    assert found.on == pytest.approx(on.norm().item())
    assert found.cosine == pytest.approx(((off * on).sum() / off.norm() / on.norm()).item())
    assert found.spectral_norm == pytest.approx(torch.linalg.matrix_norm(S, 2).item(), rel=1e-3)
    turned = U @ (torch.diag(sigma) + S)
    cosines = torch.nn.functional.cosine_similarity(turned, U, dim=0)
    torch.testing.assert_close(found.turned_deg, torch.rad2deg(torch.acos(cosines.clamp(-1, 1))), rtol=1e-5, atol=1e-5)
    stable = (off + on).norm() ** 2 / torch.linalg.matrix_norm(off + on, 2) ** 2
    assert found.stable_rank == pytest.approx(stable.item(), rel=1e-3)


@pytest.mark.parametrize(("m", "n"), [(6, 10), (2, 5), (5, 1), (12, 8)])
def test_single_precision_gives_the_same_numbers(m, n):
    U, Vt, pattern, values, sigma, start = make(m, n)
    exact = update_geometry(U, Vt, pattern, values, sigma, start)
    found = update_geometry(U.float(), Vt.float(), pattern, values.float(), sigma.float(), start.float())
    for name in ("on", "off", "cosine", "spectral_norm", "stable_rank"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-4, abs=1e-6), name
    torch.testing.assert_close(found.turned_deg, exact.turned_deg, rtol=1e-4, atol=1e-4)


def test_nothing_has_moved_at_the_start():
    U, Vt, pattern, values, _, start = make(8, 8)
    found = update_geometry(U, Vt, pattern, torch.zeros_like(values), start, start)
    assert (found.on, found.off, found.cosine, found.spectral_norm, found.stable_rank) == (0, 0, 0, 0, 0)
    assert found.turned_deg.abs().max() < 1e-12


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_theorem_1_bounds_the_shift_of_the_singular_values(scale):
    U, Vt, pattern, values, sigma, start = make(8, 8, scale=scale)
    bound = update_geometry(U, Vt, pattern, values, sigma, start).spectral_norm
    assert 0 < singular_value_shift(pattern, values, sigma) <= bound * (1 + 1e-3)
    expected = torch.linalg.svdvals(torch.diag(sigma) + pattern.dense(values)) - sigma.abs().sort(descending=True)[0]
    assert singular_value_shift(pattern, values, sigma) == pytest.approx(expected.abs().max().item())
