"""The committed page is what the command prints of the committed runs; claims about released code need its clones."""

import pytest

from frod_bench.audit import page
from frod_bench.audit.claim import check_claims
from frod_bench.audit.claims import CLAIMS, SECTIONS
from frod_bench.audit.evidence import Evidence
from frod_bench.config.paths import config_dir, paper_dir

PAGE = paper_dir().parent / "audit/audit.md"
OF_RUNS = ("convergence", "small-full-ft", "small-adapters", "selection-worth", "tan-alpha-band", "head-cost")


@pytest.fixture(scope="module")
def evidence():
    root = paper_dir().parent
    runs = [root / "runs", root / "study"]
    return Evidence(root / "paper", config_dir(), runs, root / "bench", weights=lambda backbone: {})


def sections(text):
    """Return what stands under every heading of a claim."""
    return {part.partition("\n")[0]: part.partition("\n## ")[0].rstrip() for part in text.split("\n### ")[1:]}


def test_the_page_has_every_claim_in_order():
    assert list(sections(PAGE.read_text(encoding="utf-8"))) == [claim.name for claim in CLAIMS]


@pytest.mark.parametrize("name", [*OF_RUNS, *(claim.name for claim in SECTIONS["The printed tables"])])
def test_what_is_measured_here_is_what_is_committed(evidence, name):
    committed = PAGE.read_text(encoding="utf-8")
    (judged,) = check_claims([claim for claim in CLAIMS if claim.name == name], evidence)
    made = page.to_markdown({"A section": [judged]})
    assert sections(committed)[name] == sections(made)[name]
    (row,) = [line for line in made.splitlines() if line.startswith(f"| [{name}]")]
    squeezed = " ".join(row.split())
    assert squeezed in {" ".join(line.split()) for line in committed.splitlines()}
