"""The joint decomposition against its definition, its exact identities, its edge cases, and PEFT."""

import pytest
import torch
from peft.tuners.frod.model import _projection_from_weights

from frod_bench.linalg import joint
from frod_bench.linalg.joint import joint_decomposition, reconstruction_errors

PI = 1e-3


def draw(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(m, n, dtype=torch.float64, generator=generator) for m, n in shapes]


def definition(weights, blocks, pi=PI):
    """Return V and the B_i from Eqs. 2-6 with explicit inverses."""
    n, rows = weights[0].shape[1], [w.shape[0] for w in weights]
    Q, R = torch.linalg.qr(torch.cat(weights))
    parts = Q.split(rows)
    names = sorted(set(blocks))
    T = torch.zeros(n, n, dtype=torch.float64)
    for name in names:
        gram = sum(q.T @ q for q, block in zip(parts, blocks, strict=True) if block == name)
        T += torch.linalg.inv(gram + pi * torch.eye(n, dtype=torch.float64)) / len(names)
    Z = torch.linalg.eigh(T).eigenvectors
    return R.T @ Z, [q @ Z for q in parts]


def assert_reconstructs(factors, weights, tolerance=1e-12):
    for i, weight in enumerate(weights):
        rebuilt = (factors.U[i] * factors.sigma[i]) @ factors.V.T
        assert torch.isfinite(rebuilt).all()
        assert (rebuilt - weight).norm() <= tolerance * max(weight.norm().item(), 1.0)


@pytest.mark.parametrize("blocks", [None, [0, 0, 1, 1]], ids=["category", "global"])
@pytest.mark.parametrize("shapes", [[(9, 6)] * 4, [(4, 7)] * 4, [(5, 5), (8, 5), (3, 5), (5, 5)]])
def test_equals_the_definition_up_to_signs(shapes, blocks):
    weights = draw(shapes)
    factors = joint_decomposition(weights, blocks, PI)
    V, B = definition(weights, blocks or range(len(weights)))
    sign = (V * factors.V).sum(dim=0).sign()
    torch.testing.assert_close(factors.V, V * sign, rtol=1e-8, atol=1e-8)
    for U, sigma, b in zip(factors.U, factors.sigma, B, strict=True):
        torch.testing.assert_close(U * sigma, b * sign, rtol=1e-8, atol=1e-8)


def test_the_two_readings_differ():
    weights = draw([(9, 6)] * 4)
    per_layer, per_block = joint_decomposition(weights), joint_decomposition(weights, [0, 0, 1, 1])
    assert (per_layer.V - per_block.V).norm() > 0.1 * per_layer.V.norm()


@pytest.mark.parametrize("shapes", [[(9, 6)] * 4, [(4, 7)] * 4, [(7, 7)]])
def test_identities(shapes):
    weights = draw(shapes)
    factors = joint_decomposition(weights)
    assert_reconstructs(factors, weights)
    energy = sum(sigma**2 for sigma in factors.sigma)
    torch.testing.assert_close(energy, torch.ones_like(energy))
    for U in factors.U:
        torch.testing.assert_close(U.norm(dim=0), torch.ones(U.shape[1], dtype=torch.float64))
    condition = torch.linalg.cond(torch.cat(weights)).item()
    assert torch.linalg.cond(factors.V).item() == pytest.approx(condition, rel=1e-9)


def with_condition(condition, rows=40, n=12):
    """Return four layers whose stack has this condition number."""
    left, right = (torch.linalg.qr(m).Q for m in draw([(rows, n), (n, n)]))
    return list((left * torch.logspace(0, -torch.tensor(condition).log10().item(), n) @ right).split(rows // 4))


@pytest.mark.parametrize("blocks", [None, [0, 0, 1, 1]], ids=["category", "global"])
@pytest.mark.parametrize("condition", [1.0, 1e3, 1e4, 1e6, 1e9])
def test_the_identities_hold_at_any_condition_number(condition, blocks):
    weights = with_condition(condition)
    factors = joint_decomposition(weights, blocks)
    assert_reconstructs(factors, weights)
    energy = sum(sigma**2 for sigma in factors.sigma)
    torch.testing.assert_close(energy, torch.ones_like(energy), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("blocks", [None, [0, 0, 1, 1]], ids=["category", "global"])
def test_both_ways_to_the_triangular_factor_agree(blocks, monkeypatch):
    weights = with_condition(1e3)
    by_cholesky = joint_decomposition(weights, blocks)
    monkeypatch.setattr(joint, "_MAX_CONDITION", 0.0)
    by_householder = joint_decomposition(weights, blocks)
    for name in ("V", "U", "sigma"):
        torch.testing.assert_close(getattr(by_cholesky, name), getattr(by_householder, name), rtol=1e-8, atol=1e-8)
    assert not torch.equal(by_cholesky.V, by_householder.V)


@pytest.mark.parametrize("shapes", [[(9, 6)] * 4, [(2, 9)] * 3, [(3, 6)] * 2], ids=["qr", "svd", "square"])
def test_u_comes_in_the_dtype_asked_for(shapes):
    weights = draw(shapes)
    exact, rounded = joint_decomposition(weights), joint_decomposition(weights, dtype=torch.bfloat16)
    assert rounded.V.dtype == rounded.sigma[0].dtype == torch.float64
    assert torch.equal(rounded.V, exact.V)
    assert all(torch.equal(r, e.bfloat16()) for r, e in zip(rounded.U, exact.U, strict=True))


def test_the_largest_entry_of_every_column_is_positive():
    for shapes in ([(9, 6)] * 4, [(2, 9)] * 3):
        V = joint_decomposition(draw(shapes)).V
        assert (V.gather(0, V.abs().argmax(dim=0, keepdim=True)) > 0).all()


@pytest.mark.parametrize("shapes", [[(4, 8)] * 2, [(2, 8), (5, 8), (1, 8)], [(8, 8)]])
def test_a_square_stack_leaves_nothing_to_rounding(shapes):
    """Its T is a multiple of the identity, of which any basis would be one of eigenvectors."""
    weights = draw(shapes)
    factors = joint_decomposition(weights)
    assert_reconstructs(factors, weights)
    gram = factors.V.T @ factors.V
    torch.testing.assert_close(gram, gram.diag().diag(), rtol=0.0, atol=1e-10)
    turned = joint_decomposition([w + 1e-12 * noise for w, noise in zip(weights, draw(shapes, seed=1), strict=True)])
    torch.testing.assert_close(turned.V, factors.V, rtol=1e-8, atol=1e-8)


def test_fewer_stacked_rows_than_inputs():
    weights = draw([(2, 9)] * 3)
    factors = joint_decomposition(weights)
    assert_reconstructs(factors, weights)
    torch.testing.assert_close(factors.V.T @ factors.V, torch.eye(9, dtype=torch.float64))
    for U, sigma in zip(factors.U, factors.sigma, strict=True):
        assert (sigma[6:] == 0).all() and (U[:, 6:] == 0).all() and (sigma[:6] > 0).all()


@pytest.mark.parametrize("rows", [3, 12], ids=["svd", "qr"])
def test_rank_deficient_stack(rows):
    left, right = draw([(2 * rows, 2), (2, 8)])
    weights = list((left @ right).split(rows))
    assert_reconstructs(joint_decomposition(weights), weights)


@pytest.mark.parametrize("rows", [3, 12], ids=["svd", "qr"])
def test_duplicated_and_zero_layers(rows):
    weight = draw([(rows, 8)])[0]
    for weights in ([weight, weight.clone()], [weight, torch.zeros_like(weight)], [torch.zeros_like(weight)] * 2):
        factors = joint_decomposition(weights)
        assert_reconstructs(factors, weights)
        assert all(torch.isfinite(t).all() for t in [factors.V, *factors.U, *factors.sigma])


@pytest.mark.parametrize("rows", [10, 6, 3])
def test_a_layer_of_zeros_has_no_directions_of_its_own(rows):
    """Not even those of rounding, as where the rest of the stack is badly conditioned."""
    rest = [w[:rows] for w in with_condition(1e6, n=12)][:2]
    factors = joint_decomposition([torch.zeros_like(rest[0]), *rest])
    assert not factors.U[0].any() and not factors.sigma[0].any()
    assert_reconstructs(factors, [torch.zeros_like(rest[0]), *rest])


@pytest.mark.parametrize(("m", "n"), [(16, 16), (8, 16), (32, 16)])
@pytest.mark.parametrize("scales", [(1e-3, 1e3), (1e-25, 1), (1e30, 1e30), (1e-30, 1e3), (1e-30, 1e-30)])
def test_layers_of_any_scale(scales, m, n):
    weights = [w.float() * c for w, c in zip(draw([(m, n)] * 2), scales, strict=True)]
    factors = joint_decomposition(weights, dtype=torch.float32)
    for U, sigma in zip(factors.U, factors.sigma, strict=True):
        torch.testing.assert_close(U.norm(dim=0)[sigma > 0], torch.ones(int((sigma > 0).sum())))
    found = reconstruction_errors(weights, factors.U, factors.sigma, factors.V.T.float())
    assert ((found >= 0) & (found <= 2)).all()
    if m >= n:  # each layer has rows enough to be rebuilt to its own rounding
        assert (found < 3e-6).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shapes", [[(90, 60)] * 4, [(40, 70)] * 4], ids=["tall", "wide"])
def test_weights_of_less_than_double_precision(shapes, dtype):
    weights = [w.to(dtype) for w in draw(shapes)]
    factors = joint_decomposition(weights, dtype=torch.float32)
    exact = joint_decomposition([w.double() for w in weights])
    assert factors.V.dtype == torch.float64 and factors.U[0].dtype == torch.float32
    for i, weight in enumerate(weights):
        rebuilt = (factors.U[i].double() * factors.sigma[i].double()) @ factors.V.T
        assert (rebuilt - weight.double()).norm() <= 1e-6 * weight.double().norm()
    energy = sum(sigma.double() ** 2 for sigma in factors.sigma)
    torch.testing.assert_close(energy, torch.ones_like(energy), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(factors.V, exact.V, rtol=1e-2, atol=1e-2)


def test_badly_conditioned_single_precision_weights_are_factored_in_double():
    weights = [w.float() for w in with_condition(1e4)]
    assert_reconstructs(joint_decomposition(weights), [w.double() for w in weights])


@pytest.mark.parametrize("shapes", [[(16, 8)] * 3, [(3, 8)] * 2], ids=["qr", "svd"])
def test_agrees_with_peft_up_to_signs(shapes):
    scales = torch.linspace(1, 3, shapes[0][0] * len(shapes), dtype=torch.float64).split(shapes[0][0])
    weights = [(w * s[:, None]).float() for w, s in zip(draw(shapes, seed=1), scales, strict=True)]
    factors = joint_decomposition(weights, pi=PI)
    theirs = _projection_from_weights(weights, PI).double()
    used = slice(0, min(8, sum(m for m, _ in shapes)))  # the rest of V spans a null space in any rotation
    sign = (factors.V * theirs).sum(dim=0).sign()
    torch.testing.assert_close(factors.V[:, used], (theirs * sign)[:, used], rtol=1e-4, atol=1e-4)


def test_reconstruction_errors_are_those_of_the_dense_difference():
    weights = [w.float() for w in draw([(90, 60)] * 3)]
    factors = joint_decomposition(weights, dtype=torch.float32)
    noise = [1e-2 * torch.randn(90, 60, generator=torch.Generator().manual_seed(1)), torch.zeros(90, 60), weights[2]]
    shifted = [w + e for w, e in zip(weights, noise, strict=True)]
    found = reconstruction_errors(shifted, factors.U, factors.sigma, factors.V.T)
    exact = [(e.norm() / w.norm()).item() for e, w in zip(noise, shifted, strict=True)]
    assert found.tolist() == pytest.approx(exact, rel=0.1, abs=2e-6)


@pytest.mark.parametrize("rows", [[40, 40, 40], [9, 9]])
@pytest.mark.parametrize("blocks", [None, [0, 1, 0]])
def test_reading_one_layer_at_a_time_changes_no_bit(rows, blocks):
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(m, 24, generator=generator) for m in rows]
    blocks = blocks and blocks[: len(rows)]
    whole = joint_decomposition(weights, blocks)
    streamed = joint_decomposition(weights, blocks, in_memory=False)
    assert torch.equal(whole.V, streamed.V)
    for name in ("U", "sigma"):
        assert all(map(torch.equal, getattr(whole, name), getattr(streamed, name)))


@pytest.mark.gpu
@pytest.mark.parametrize("shapes", [[(9, 6)] * 4, [(4, 7)], [(5, 5), (8, 5)]])
def test_on_a_gpu(shapes):
    """Each layer is rebuilt there too: by Cholesky factors, with few rows, and from blocks of one shape or several."""
    weights = [weight.cuda() for weight in draw(shapes)]
    factors = joint_decomposition(weights)
    assert factors.V.device.type == factors.U[0].device.type == "cuda"
    assert_reconstructs(factors, weights)
    torch.testing.assert_close(factors.V.cpu(), joint_decomposition(draw(shapes)).V, rtol=1e-8, atol=1e-8)
