"""Claims about the printed tables: what they find in them, and that other tables get another verdict."""

import pytest

from frod_bench.audit import printed
from frod_bench.audit.claim import FAILS, HOLDS

FROD = "FRoD(s=0.02)"


def test_averages_of_the_paper(check):
    finding = check("averages")
    assert finding.verdict == FAILS
    assert {row[:2] for row in finding.rows} == {
        ("Table 3", method) for method in ("ChatGPT", "LoRA", "PiSSA", "MiLoRA", "GOAT", "DoRA")
    }
    goat = next(row for row in finding.rows if row[1] == "GOAT")
    assert goat[2:] == (82.73, pytest.approx(81.7667, abs=1e-4), pytest.approx(82.73))


def test_averages_that_are_right(check, edit, evidence):
    for row in printed.rows(evidence, "table3"):
        edit("table3", row.method, {"Average": f"{sum(row.cells.values()) / 6:.2f}"})
    assert check("averages").verdict == HOLDS
    edit("table4", FROD, {"Average": "90.55"})
    assert check("averages").rows[0][1] == "FRoD(s=0.02)"


def test_cited_cells(check, edit):
    finding = check("cited-rows")
    assert finding.verdict == FAILS and len(finding.rows) == 11
    assert ("Table 3", "GOAT", "HellaSwag", 80.50, 87.12) in finding.rows
    for _, method, column, _, theirs in finding.rows:
        edit("table3", method, {column: theirs})
    assert check("cited-rows").verdict == HOLDS


def test_cells_of_single_runs(check, edit, evidence):
    finding = check("three-runs")
    assert finding.verdict == FAILS and len(finding.rows) == 24
    rte = next(row for row in finding.rows if row[1:3] == ("FRoD(s=0.02)", "RTE"))
    assert rte[3:6] == (84.48, 277, 234)
    assert 0.3 < rte[6] < 0.36 or rte[6] == pytest.approx(0.294, abs=1e-3)
    edit("table4", FROD, {"RTE": f"{100 * (234 + 235 + 235) / (3 * 277):.2f}"})
    assert check("three-runs").verdict == HOLDS


def test_cells_that_are_no_count(check, edit, evidence):
    finding = check("baseline-cells")
    assert finding.verdict == FAILS
    assert {row[1:3] for row in finding.rows} == {
        ("VeRA", "PIQA"), ("VeRA", "SIQA"), ("VeRA", "WinoGrande"), ("RandLoRA", "SIQA"), ("VeRA", "MRPC"),
    }  # fmt: skip
    for _, method, column, value, n, _ in finding.rows:
        table = "table4" if column == "MRPC" else "table3"
        edit(table, method, {column: f"{100 * round(value * n / 100) / n:.2f}"})
    assert check("baseline-cells").verdict == HOLDS


@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("matches-full-ft", HOLDS, "-0.08 ± 0.29 points"),
        ("best-average", HOLDS, "82.80"),
        ("margin", FAILS, "0.56"),
        ("goat-ahead", FAILS, "4 of 7 datasets (DTD -2.08 ± 1.43"),
        ("decisive-gains", FAILS, "below full fine-tuning on 2 of the four"),
        ("five-of-glue", FAILS, "on 6, and the shortfalls are: MNLI"),
    ],
)
def test_what_the_text_says_of_them(check, name, verdict, words):
    finding = check(name)
    assert finding.verdict == verdict and words in finding.measured


@pytest.mark.parametrize(
    ("name", "table", "values", "verdict"),
    [
        ("matches-full-ft", "table3", {"OBQA": 50}, FAILS),
        ("best-average", "table2", {"Cars": 50}, FAILS),
        ("margin", "table2", {"Cars": 61.05}, HOLDS),
        ("goat-ahead", "table2", {"GTSRB": 98.2, "SVHN": 96.7}, HOLDS),
        ("goat-ahead", "table2", {"GTSRB": 97.0}, HOLDS),  # clear of the error on two
        ("five-of-glue", "table4", {"MNLI": 90.5, "RTE": 60}, HOLDS),  # the others lie within it
        ("decisive-gains", "table3", {"BoolQ": 88.6, "PIQA": 83.8}, HOLDS),
        ("five-of-glue", "table4", {"SST-2": 96.5, "MNLI": 90.9, "QNLI": 94.6}, HOLDS),
    ],
)
def test_other_tables_get_another_verdict(check, edit, name, table, values, verdict):
    edit(table, FROD, values)
    assert check(name).verdict == verdict


def test_the_joint_row_is_best_at_the_end_only(check, edit):
    finding = check("joint-is-best")
    assert finding.verdict == HOLDS and finding.rows[0] == (1, 48.36, 50.03, 2)
    edit("table5", "s=0.01 lr(S)=1e-4 lr(Σ)=0", {"epoch 10": 75})
    assert check("joint-is-best").verdict == FAILS
