"""Claims about the decomposition and the update: random weights, and orthogonal ones where the ideal case holds."""

import dataclasses

import pytest
import torch

from frod_bench.audit import bases
from frod_bench.audit.claim import FAILS, HOLDS, OPEN, UNDECIDED, check_claims
from frod_bench.audit.claims import CLAIMS
from frod_bench.errors import RequestError

WIDTH = 24


def orthogonal_weights(backbone):
    generator = torch.Generator().manual_seed(2)
    square = [torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator)).Q for _ in range(3)]
    return {f"model.layers.{i}.attn.q": W for i, W in enumerate(square)}


@pytest.fixture
def ideal(evidence, monkeypatch):
    """Returns the findings on layers that are orthogonal matrices: R and every Q_i are then orthogonal up to scale."""
    monkeypatch.setattr(bases, "_stacks", lambda e: (("minilm", *item) for item in bases.stacks(e, "minilm").items()))
    changed = dataclasses.replace(evidence, weights=orthogonal_weights, _cache={})
    return lambda name: next(claim for claim in CLAIMS if claim.name == name).check(changed)


def test_groups_are_the_categories(evidence):
    groups = bases.groups(evidence)
    assert {g.category for g in groups} == {"attn.q", "mlp.up", "normal"} and bases.groups(evidence) is groups
    assert all(len(g.weights) == 4 for g in groups if g.backbone == "minilm")


def test_reconstruction(check):
    finding = check("reconstruction")
    assert finding.verdict == HOLDS
    assert all(row[4] < 1e-6 < 1e-4 < row[6] < 0.05 for row in finding.rows)


@pytest.mark.parametrize("name", ["v-orthonormal", "u-orthogonal", "eq15"])
def test_orthogonality_is_a_matter_of_the_weights(check, ideal, name):
    assert check(name).verdict == FAILS
    assert ideal(name).verdict == HOLDS


def test_equation_three(check):
    finding = check("eq3")
    assert finding.verdict == FAILS
    (_, literal), (_, released) = finding.rows
    assert literal == pytest.approx(1, abs=1e-9) and released > 1.5


def test_widths(check):
    assert check("one-basis").rows[0] == ("clip_vit_b32", 2, "768, 3072")


def test_theorem_one(check):
    bound, directions = check("theorem1-bound"), check("theorem1-directions")
    assert bound.verdict == HOLDS and all(0 < row[3] <= 1 for row in bound.rows)
    assert directions.verdict == FAILS
    # a coupling as large as the gap turns by half of atan 2, whatever the gap
    assert all(row[5] == pytest.approx(0.5257, abs=1e-3) for row in directions.rows)


def test_rank(check):
    finding = check("full-rank")
    assert finding.verdict == HOLDS and all(row[3] == row[2] >= row[4] for row in finding.rows)


def test_the_tangent_is_no_ratio_of_rates(check, store, monkeypatch):
    monkeypatch.setattr("frod_bench.audit.claims.ablation._DENSITY", 0.5)
    store("frod", [0.5, 0.6], tan_alpha={"mean": 2.0}, lr_ratio=0.1, cosine=0.02)
    finding = check("tan-alpha")
    assert finding.verdict == UNDECIDED and "Appendix E" in finding.would_take
    assert "1 trained runs of ours it is 20.0 times" in finding.measured
    assert all(row[3] == pytest.approx(row[2], rel=0.35) for row in finding.rows)


def test_weights_that_are_not_installed(evidence):
    def absent(backbone):
        raise RequestError(f"The package of {backbone} is not installed.")

    changed = dataclasses.replace(evidence, weights=absent, _cache={})
    (judged,) = check_claims([claim for claim in CLAIMS if claim.name == "eq15"], changed)
    assert (judged.finding.verdict, judged.to_do) == (OPEN, "make setup")
