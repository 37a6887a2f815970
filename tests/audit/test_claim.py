"""Judging a list of claims, and the list itself."""

import pytest
import torch

from frod_bench.audit.claim import FAILS, HOLDS, OPEN, READS_CODE, UNDECIDED, Claim, Finding, check_claims
from frod_bench.audit.claims import CLAIMS, SECTIONS
from frod_bench.audit.evidence import MissingEvidence


def test_what_is_missing_is_no_verdict(evidence):
    def missing(evidence):
        raise MissingEvidence("There is no such thing.", "make it")

    held = Claim("b", "q", "x", "y", lambda evidence: Finding(HOLDS, "seen"), needs=READS_CODE)
    claims = [Claim("a", "q", "x", "y", missing), held]
    first, second = check_claims(claims, evidence)
    assert (first.finding.verdict, first.finding.measured, first.to_do) == (OPEN, "There is no such thing.", "make it")
    assert (second.finding.verdict, second.to_do) == (HOLDS, "")
    assert claims[0].command == "frod-bench audit --only a"
    assert claims[1].command == "frod-bench audit --only b --code DIR"


def test_what_a_check_draws_is_the_same_every_time(evidence):
    drawn = []
    claims = [Claim("a", "q", "x", "y", lambda evidence: drawn.append(torch.rand(2)) or Finding(HOLDS, "seen"))] * 2
    list(check_claims(claims, evidence))
    state = torch.get_rng_state()
    list(check_claims(claims, evidence))
    assert all(torch.equal(found, drawn[0]) for found in drawn)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_verdict_is_one_of_four():
    with pytest.raises(ValueError, match="no verdict"):
        Finding("perhaps", "x")


def test_what_is_not_decided_says_what_it_would_take():
    with pytest.raises(ValueError, match="says what it would take"):
        Finding(UNDECIDED, "x")
    with pytest.raises(ValueError, match="says what it would take"):
        Finding(FAILS, "x", would_take="more runs")


def test_every_claim_has_a_name_of_its_own_and_says_where_it_stands():
    names = [claim.name for claim in CLAIMS]
    assert len(names) == len(set(names)) > 40
    assert all(claim.checks.endswith(".") and claim.source for claim in CLAIMS)
    assert sum(map(len, SECTIONS.values())) == len(CLAIMS)


def test_what_nobody_states_is_listed_apart():
    *printed, (title, implied) = SECTIONS.items()
    assert title == "What the tables and the code imply"
    assert all(claim.implied for claim in implied) and not any(c.implied for _, group in printed for c in group)
    assert {"same-question", "vera-head", "randlora-head", "head-cost", "selection", "selection-worth"} <= {
        claim.name for claim in implied
    }
    assert all(
        claim.source.startswith("paper") or "/" in claim.source or claim.source == "README.md"
        for claim in CLAIMS
        if claim.quote
    )


def test_without_code_nothing_is_said_of_it(evidence):
    alone = [claim for claim in CLAIMS if claim.needs]
    for judged in check_claims(alone, evidence):
        assert judged.finding.verdict == OPEN and judged.to_do.startswith("git clone https://github.com/"), judged
