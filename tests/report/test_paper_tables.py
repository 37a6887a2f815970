import csv
import io
from dataclasses import replace

import pytest

from frod_bench.config.paths import paper_dir
from frod_bench.report.compare import TableSlice, compare, rank_agreements
from frod_bench.report.paper import read_paper_table
from frod_bench.report.paper_tables import PaperComparison, to_csv, to_latex, to_markdown, to_text


@pytest.fixture
def comparison(store):
    paper = read_paper_table(paper_dir(), "table4")
    measured = {
        "Full FT": {"RTE": [store(method="full_ft", best=0.70, seed=seed) for seed in (0, 1)]},
        "LoRA": {"RTE": [store(method="lora", best=0.60)]},
        "FRoD(s=0.02)": {"RTE": [store(best=0.65)]},
    }
    wanted = TableSlice(paper.rows, tuple(column for column in paper.columns if column != "Average"))
    cells = compare(paper, measured, wanted)
    setting = {"profile": "offline", "protocol": "released", "backbone": "minilm", "selection": "last", "data": "local"}
    setting["overrides"] = "train.epochs=2 method.pattern=banded"
    return PaperComparison(paper, cells, setting, rank_agreements(cells), paper.remarks())


def line(text, *starts):
    (found,) = [row for row in text.splitlines() if row.replace("|", " ").split()[: len(starts)] == list(starts)]
    return found


def test_the_overview_has_the_papers_row_and_ours_below_it(comparison):
    lines = to_text(comparison).splitlines()
    number = next(n for n, text in enumerate(lines) if text.startswith("LoRA †"))
    assert lines[number].split()[2:] == [
        "paper",
        "4.00",
        *["83.41", "95.64", "83.33", "90.06", "89.00", "93.28", "84.47", "88.46"],
    ]
    assert lines[number + 1].split() == ["ours", "0.81", *["—"] * 6, "60.00", "—"]


def test_a_cell_has_everything_that_was_measured(comparison):
    row = line(to_markdown(comparison), "Full", "FT", "RTE")
    values = [cell.strip() for cell in row.strip("|").split("|")]
    scores = ["84.84", "70.00 ± 0.00", "-14.84", "—", "2", "61.00", "0.81"]
    assert values == ["Full FT", "RTE", *scores, "not comparable"]


def test_a_terminal_shows_what_was_run_and_a_page_everything(comparison):
    assert len([row for row in to_text(comparison).splitlines() if row.endswith("not run")]) == 0
    assert len([row for row in to_markdown(comparison).splitlines() if row.endswith("not run |")]) == 72 - 3


def test_every_form_says_the_setting_the_rule_and_the_paper_s_slips(comparison):
    for text in (to_text(comparison), to_markdown(comparison), to_latex(comparison)):
        text = " ".join(text.split())
        assert (
            "Table 4: profile offline, protocol released, backbone minilm, selection last, data local,"
            " overrides train.epochs=2 method.pattern=banded"
        ) in text
        assert "`reproduced` where ours and the paper's number differ by no more than the margin" in text
        assert "its columns give 90.43" in text
        assert "RTE: +1.00 (3 rows; best in the paper Full FT, here Full FT)" in text
        assert "69 not run, 3 not comparable" in text


def test_latex_is_plain_ascii_but_for_its_comments(comparison):
    body = [row for row in to_latex(comparison).splitlines() if not row.startswith("%")]
    assert body[0].startswith(r"\begin{tabular}")
    assert all(row.isascii() for row in body)
    assert any(r"LoRA $^\dagger$" in row for row in body)


def test_csv_has_a_line_a_cell_and_nothing_where_nothing_was_run(comparison):
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    assert len(rows) == 72
    by_place = {(row["row"], row["column"]): row for row in rows}
    ran, empty = by_place["Full FT", "RTE"], by_place["VeRA", "RTE"]
    assert (ran["profile"], ran["ours"], ran["half_interval_95"], ran["seeds"]) == ("offline", "70.00", "0.00", "2")
    assert (empty["paper"], empty["ours"], empty["difference"], empty["verdict"]) == ("75.09", "", "", "not run")
    assert ran["overrides"] == "train.epochs=2 method.pattern=banded"
    assert (by_place["LoRA", "RTE"]["cited"], ran["cited"]) == ("True", "False")


def test_a_cell_with_a_verdict_has_its_margin(store):
    paper = read_paper_table(paper_dir(), "table4")
    run = store(best=0.8448, profile="paper", backbone="roberta_large", data={"source": "hub", "revision": "1"})
    wanted = TableSlice(("FRoD(s=0.02)",), ("RTE",))
    cells = compare(paper, {"FRoD(s=0.02)": {"RTE": [run]}}, wanted)
    found = PaperComparison(paper, cells, {"profile": "paper"}, [])
    row = line(to_markdown(found), "FRoD(s=0.02)", "RTE").strip("|").split("|")
    assert [cell.strip() for cell in row[4:6]] == ["+0.00", "4.26"] and "reproduced" in row[-1]


def test_a_title_names_overrides_only_where_there_are_some(comparison):
    assert "overrides" not in replace(comparison, setting=comparison.setting | {"overrides": ""}).title


def test_paragraphs_fit_a_terminal(comparison):
    paragraphs = to_text(comparison).partition("\nCells: ")[2].splitlines()
    assert max(map(len, paragraphs)) <= 110
