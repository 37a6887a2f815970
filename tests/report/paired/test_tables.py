"""The table of verdicts, and the reports that it is in."""

import numpy as np
import pytest

from frod_bench.cli import run_command
from frod_bench.report.html.page import page
from frod_bench.report.paired.tables import headlines, headlines_to_text, verdicts
from frod_bench.report.statistics_tables import section_tables
from frod_bench.report.summary import summarise
from frod_bench.report.table import to_text


@pytest.fixture
def runs(predicted):
    """Four methods with three seeds on 2,000 rows: one far better, one alike, one whose seeds differ."""
    rng = np.random.default_rng(0)
    base = rng.random(2000) < 0.8

    def flips(share):
        return rng.random((3, 2000)) < share

    worse = [base & (rng.random(2000) < share) for share in (0.9, 0.9, 0.9)]
    shaken = [base & (rng.random(2000) < share) for share in (0.9, 1.0, 0.95)]
    answers = {"frod": base ^ flips(0.01), "lora": base ^ flips(0.01), "vera": worse, "dora": shaken}
    return [run for method, right in answers.items() for run in predicted(method, right)]


def test_the_verdicts_are_those_that_the_runs_were_made_for(runs):
    [section] = summarise(runs).sections
    table = verdicts(section)
    assert {row[2]: row[3] for row in table.rows} == {"lora": "equivalent", "vera": "better", "dora": "undecided"}
    assert {row[1]: row[3] for row in verdicts(section, baseline="vera").rows}["frod"] == "better"


def test_the_words_are_below_the_table(runs):
    [section] = summarise(runs).sections
    text = to_text(verdicts(section))
    assert "Paired verdicts, margin 1 point" in text
    assert "- frod is better than vera on glue/rte: +" in text
    assert "was chosen on these very rows" in text
    assert "margin 2.5 points" in to_text(verdicts(section, margin=0.025))


def test_without_predictions_there_is_no_table(store):
    [section] = summarise([store("frod"), store("lora")]).sections
    assert verdicts(section).rows == []


def test_report_stats_prints_and_writes_them(runs, tmp_path, capsys):
    assert run_command(["report", "stats", str(tmp_path), "--to", str(tmp_path / "out")]) == 0
    assert "frod is better than vera on glue/rte" in " ".join(capsys.readouterr().out.split())
    assert "frod is better than vera" in (tmp_path / "out/statistics.md").read_text()
    lines = (tmp_path / "out/statistics_verdicts.csv").read_text().splitlines()
    assert len(lines) == 4 and ",better," in "".join(lines)


def test_report_stats_takes_a_margin_and_a_baseline(runs, tmp_path, capsys):
    assert run_command(["report", "stats", str(tmp_path), "--margin", "5", "--baseline", "lora"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "margin 5 points" in out and "frod and lora are equivalent on glue/rte, within 5 points" in out
    for words in (["--margin", "0"], ["--margin", "-1"], ["--margin", "nan"], ["--baseline", "lor"]):
        assert run_command(["report", "stats", str(tmp_path), *words]) == 2
        assert words[0] in capsys.readouterr().err


def test_runs_without_predictions_are_said_to_be_unpaired(runs, store, tmp_path, capsys):
    store("full_ft", seed=0)
    assert run_command(["report", "stats", str(tmp_path)]) == 0
    assert "1 of 13 runs have no predictions per row." in " ".join(capsys.readouterr().out.split())


def test_the_page_has_them_as_a_list(runs):
    text = page(summarise(runs), "title")
    assert 'data-table="verdicts"' in text
    assert "<li>frod is better than vera on glue/rte: +" in text


def test_a_table_of_scores_ends_with_the_verdict_on_the_mean(predicted, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for task in ("glue/rte", "glue/sst2"):
        right = rng.random((2, 500)) < 0.9
        predicted("frod", right, task)
        predicted("lora", right & (rng.random(500) < 0.9), task)
    assert run_command(["report", str(tmp_path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "On the same rows, with a margin of 1 point:" in out
    assert "frod is better than lora on the mean of 2 tasks: +" in out
    assert "frod is better than lora on glue/rte" not in out


def test_too_many_runs_are_left_to_report_stats(runs, monkeypatch):
    [section] = summarise(runs).sections
    monkeypatch.setattr("frod_bench.report.paired.tables._MOST_RUNS", 2)
    assert headlines(section) == ["For verdicts on the same rows: frod-bench report stats"]


def test_scores_without_predictions_end_as_before(store):
    [section] = summarise([store("frod"), store("lora")]).sections
    assert headlines(section) == []
    assert headlines_to_text(section) == ""


def test_what_has_a_verdict_is_not_compared_a_second_time_without_its_rows(runs, store):
    def unpaired(more=(), baseline=None):
        [section] = summarise([*runs, *more]).sections
        tables = {table.name: table for table in section_tables(section, baseline=baseline)}
        return tables.get("comparisons")

    assert unpaired() is None
    assert unpaired(baseline="lora") is None  # frod against vera could be paired, and was not asked for
    left = unpaired([store("pissa", seed=seed) for seed in range(3)])
    assert {row[:3] for row in left.rows} == {("glue/rte", "frod", "pissa")}
    assert "3 of 15 runs have no predictions per row." in left.notes[0]
    both = unpaired([store(method, "glue/sst2", seed) for method in ("frod", "lora") for seed in range(3)])
    assert {row[:3] for row in both.rows} == {("glue/sst2", "frod", "lora"), ("all tasks", "frod", "lora")}
