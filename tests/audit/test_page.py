"""The page in its three forms."""

import json

from frod_bench.audit import page
from frod_bench.audit.claim import FAILS, HOLDS, OPEN, Claim, Finding, Judged

ROWS = (("a|b", 1234, 0.5, None), ("c", 2, 12.345, 1e-7))


def sections():
    def judged(name, finding, to_do=""):
        return Judged(Claim(name, "It is |so|.", "paper, Table 9", lambda e: finding), finding, to_do)

    first = judged("first", Finding(FAILS, "Seen.", ("word", "count", "share", "rest"), ROWS))
    return {
        "One": [first, judged("second", Finding(HOLDS, "Fine."))],
        "Two": [judged("x", Finding(OPEN, "No."), "make x")],
    }


def test_markdown_links_every_claim_and_escapes_bars():
    text = page.to_markdown(sections())
    assert "| [first](#first)" in text and "### first" in text and "It is \\|so\\|." in text
    assert "a\\|b" in text and "1,234" in text and "12.35" in text and "1e-07" in text
    assert "1 hold, 1 do not hold, 1 cannot be checked here." in text
    assert "**Verdict: does not hold.** `frod-bench audit --only first`" in text and "To check it: `make x`" in text


def test_json_holds_rows_and_commands():
    data = json.loads(page.to_json(sections(), {"device": "cpu"}))
    assert data["environment"] == {"device": "cpu"} and [c["section"] for c in data["claims"]] == ["One", "One", "Two"]
    assert data["claims"][0]["rows"] == [["a|b", 1234, 0.5, None], ["c", 2, 12.345, 1e-7]]
    assert data["claims"][2]["to_do"] == "make x" and data["claims"][0]["to_do"] is None


def test_text_is_wrapped_and_has_the_rows_apart():
    first, _ = sections()["One"]
    assert page.to_text(first).startswith("DOES NOT HOLD  first\n  Stated: It is |so|. (paper, Table 9)\n")
    assert "a|b" not in page.to_text(first) and "a|b" in page.details_text(first)
