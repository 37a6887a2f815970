"""The page in its three forms."""

import json

from frod_bench.audit import page
from frod_bench.audit.claim import FAILS, HOLDS, OPEN, UNDECIDED, CheckedClaim, Claim, Finding

ROWS = (("a|b", 1234, 0.5, None), ("c", 2, 12.345, 1e-7))


def sections():
    def judged(name, finding, to_do="", quote="so it is"):
        return CheckedClaim(Claim(name, quote, "It is |so|.", "paper, Table 9", lambda e: finding), finding, to_do)

    first = judged("first", Finding(FAILS, "Seen.", ("word", "count", "share", "rest"), ROWS))
    return {
        "One": [first, judged("second", Finding(HOLDS, "Fine."))],
        "Two": [
            judged("x", Finding(OPEN, "No."), "make x"),
            judged("y", Finding(UNDECIDED, "Near.", would_take="More.")),
        ],
        "Three": [judged("z", Finding(FAILS, "Not so."), quote="")],
    }


def test_markdown_links_every_claim_and_escapes_bars():
    text = page.to_markdown(sections())
    assert "| [first](#first)" in text and "### first" in text and "It is \\|so\\|." in text
    assert "a\\|b" in text and "1,234" in text and "12.35" in text and "1e-07" in text
    assert "**Verdict: does not hold.** `frod-bench audit --only first`" in text and "To check it: `make x`" in text
    assert '**Stated.** "so it is" (paper, Table 9)' in text and "**It would take.** More." in text


def test_what_is_implied_does_not_count_among_what_is_stated():
    everything = [judged for section in sections().values() for judged in section]
    stated, implied = page.totals(everything).splitlines()
    assert stated == "Stated: 1 hold, 1 do not hold, 1 are not decided here, 1 cannot be checked here."
    assert implied == "Implied, not stated: 0 hold, 1 do not hold, 0 are not decided here, 0 cannot be checked here."
    text = page.to_markdown(sections())
    assert stated.replace("Stated", "**Stated**") in text and "**Implied, not stated.** By paper, Table 9." in text
    assert page.totals(everything[-1:]) == implied


def test_json_holds_rows_and_commands():
    data = json.loads(page.to_json(sections(), {"device": "cpu"}))
    assert data["environment"] == {"device": "cpu"} and [c["section"] for c in data["claims"]] == [
        *("One", "One", "Two", "Two", "Three")
    ]
    assert data["claims"][0]["rows"] == [["a|b", 1234, 0.5, None], ["c", 2, 12.345, 1e-7]]
    assert data["claims"][2]["to_do"] == "make x" and data["claims"][0]["to_do"] is None
    assert data["claims"][3]["would_take"] == "More." and data["claims"][4]["quote"] is None


def test_text_is_wrapped_and_has_the_rows_apart():
    first, _ = sections()["One"]
    assert page.to_text(first).startswith(
        'DOES NOT HOLD  first\n  Stated: "so it is" (paper, Table 9)\n  Checked: It is |so|.\n'
    )
    assert "a|b" not in page.to_text(first) and "a|b" in page.details_text(first)
