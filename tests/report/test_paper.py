from decimal import Decimal

import pytest

from frod_bench.config.paths import paper_dir
from frod_bench.report.paper import read_paper_table


@pytest.fixture(params=["table2", "table3", "table4", "table5"])
def table(request):
    return read_paper_table(paper_dir(), request.param)


def test_every_row_has_every_column(table):
    assert {tuple(scores) for scores in table.scores.values()} == {table.columns}
    assert all(0 < score < 100 for scores in table.scores.values() for score in scores.values())


@pytest.mark.parametrize(
    ("name", "row", "column", "score"),
    [
        ("table2", "FRoD(s=0.02)", "Cars", 62.13),
        ("table3", "GOAT", "HellaSwag", 80.50),
        ("table4", "VeRA", "RTE", 75.09),
        ("table5", "s=0.02 lr(S)=1e-4 lr(Σ)=1e-3", "epoch 10", 74.59),
    ],
)
def test_scores_are_the_printed_ones(name, row, column, score):
    assert read_paper_table(paper_dir(), name).score(row, column) == score


def test_rows_that_are_quoted_are_marked():
    assert read_paper_table(paper_dir(), "table4").cited == {"LoRA", "PiSSA", "MiLoRA", "GOAT", "DoRA"}


def test_printed_averages_that_their_rows_do_not_give():
    odd = {name: read_paper_table(paper_dir(), name).remarks() for name in ("table2", "table3", "table4", "table5")}
    assert odd["table2"] == ["VeRA: the paper prints an average of 80.71, its columns give 80.72."]
    assert [remark.partition(":")[0] for remark in odd["table3"]] == [
        "ChatGPT", "LoRA", "PiSSA", "MiLoRA", "GOAT", "DoRA",
    ]  # fmt: skip
    assert "77.61, its columns give 77.90" in odd["table3"][1]
    assert odd["table4"] == ["Full FT: the paper prints an average of 90.42, its columns give 90.43."]
    assert odd["table5"] == []


def test_percentages_are_the_printed_ones():
    table = read_paper_table(paper_dir(), "table4")
    assert table.score("LoRA", "STS-B") is None
    assert table.trainable["LoRA"] == Decimal("4.00")
