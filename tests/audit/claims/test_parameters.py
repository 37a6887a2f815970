"""Claims about how much trains."""

from frod_bench.audit.claim import FAILS, HOLDS


def test_what_is_printed(check):
    percentages = check("params")
    assert percentages.verdict == FAILS and len(percentages.rows) == 4
    assert "101 times fewer" in check("params-500").measured
    mean = check("params-mean")
    assert mean.verdict == FAILS and "(1.72)" in mean.measured and "2.51" in mean.measured


def test_printed_counts_would_hold(check, evidence):
    file = evidence.paper / "params.csv"
    text = file.read_text()
    for line in text.splitlines():
        if ",FRoD(" in line:
            right = {("clip_vit_b32", "0.01"): 1.79, ("clip_vit_b32", "0.02"): 3.49, ("roberta_large", "0.02"): 3.05}
            cells = line.split(",")
            cells[6] = str(right.get((cells[2], cells[4].partition("=")[2]), 0.98))
            text = text.replace(line, ",".join(cells))
    file.write_text(text)
    assert check("params").verdict == HOLDS


def test_the_formula_counts_frozen_values(check):
    finding = check("trainable-formula")
    assert finding.verdict == FAILS
    # 72 layers: U is as large as all weights, V is 5 x 768^2 + 3072^2
    assert "97,320,960" in finding.measured and finding.rows[0][2] == 3_055_620
    assert finding.rows[0][1] == 84_934_656 + 12_386_304 + 82_944 + round(3 * 0.02 * 12 * (5 * 768**2 + 3072**2))
