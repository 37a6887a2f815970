"""A release's code runs only if the user allows it, and then in a process without our environment."""

import dataclasses
import json

import pytest

from frod_bench.audit import fork
from frod_bench.audit.claim import OPEN, RUNS_CODE, check_claims
from frod_bench.audit.claims import CLAIMS
from frod_bench.audit.evidence import MissingEvidence

# a layer file that tells what it can see and where it is; its class is never reached
SPY = """
import json, os, sys
seen = {"secret": os.environ.get("AUDIT_SECRET"), "cwd": os.getcwd(), "files": os.listdir("."),
        "isolated": sys.flags.isolated, "ours": any(name.startswith("frod_bench") for name in sys.modules)}
raise ImportError(json.dumps(seen))
"""


@pytest.fixture
def spied(clone):
    clone("AAAI2026-FRoD", first={fork.LAYER: SPY, fork.MODEL: ""}, head={"x": "1"})


def test_nothing_runs_without_the_users_word(evidence, spied, monkeypatch):
    monkeypatch.setattr(fork.subprocess, "run", None)  # a start of any process would raise
    quiet = dataclasses.replace(evidence, run_code=False)
    with pytest.raises(MissingEvidence, match="for you to allow") as missing:
        fork.run_check(quiet, "start", "head")
    assert missing.value.command == "frod-bench audit --code DIR --run-code"


def test_every_claim_that_runs_code_waits_for_it(evidence, clone):
    clone("AAAI2026-FRoD", first={fork.LAYER: SPY, fork.MODEL: ""}, head={"x": "1"})
    quiet = dataclasses.replace(evidence, run_code=False)
    asking = [claim for claim in CLAIMS if claim.needs == RUNS_CODE]
    assert len(asking) == 4
    for judged in check_claims(asking, quiet):
        assert judged.finding.verdict == OPEN and "--run-code" in judged.to_do


def test_the_process_has_nothing_of_ours(evidence, spied, monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIT_SECRET", "token")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingEvidence) as missing:
        fork.run_check(evidence, "start", "head")
    seen = json.loads(missing.value.what.partition("ImportError: ")[2].rstrip("."))
    assert seen["secret"] is None and seen["files"] == [] and seen["isolated"] == 1 and not seen["ours"]
    assert seen["cwd"] != str(tmp_path)
