import csv
import io

import pytest

from frod_bench.report.statistics_tables import section_tables, statistics, to_csv, to_markdown, to_text
from frod_bench.report.summary import summarise


@pytest.fixture
def summary(store):
    scores = {"frod": 0.8, "full_ft": 0.82, "lora": 0.7}
    return summarise([store(m, seed=s, best=b + 0.01 * s) for m, b in scores.items() for s in range(2)])


def test_every_kind_of_table_is_there_and_absent_values_are_visible(summary):
    text = to_text(statistics(summary))
    assert all(f"\n{table.title}\n" in text for table in section_tables(summary.sections[0]))
    assert [table.name for table in section_tables(summary.sections[0])] == [
        "scores",
        "comparisons",
        "ranks",
        "convergence",
    ]
    assert "+10.00" in text and "-2.00" in text
    assert "80.50" in text
    assert "—" in text  # no FLOPs in these records
    assert "| frod" in to_markdown(statistics(summary))


def test_a_single_method_has_no_comparison(store):
    assert [table.name for table in section_tables(summarise([store()]).sections[0])] == ["scores"]


def test_what_is_not_compared_is_said(store):
    samples = [{"train": train, "eval": 277} for train in (100, 1000)]
    runs = [store("frod", samples=samples[0]), store("lora", samples=samples[0])]
    said = "Methods with different numbers of training or evaluation rows are not compared."
    assert said not in to_text(statistics(summarise(runs)))
    text = " ".join(to_text(statistics(summarise([*runs, store("vera", samples=samples[1])]))).split())
    assert said in text and "+0.00" in text


def test_csv_keeps_twelve_digits_of_what_was_measured_with_its_setting(summary):
    rows = list(csv.DictReader(io.StringIO(to_csv(statistics(summary))["comparisons"])))
    first = rows[0]
    assert (first["profile"], first["backbone"], first["baseline"]) == ("offline", "minilm", "full_ft")
    assert float(first["difference"]) == pytest.approx(-0.02)
    assert first["p"] == "0.5"
    assert "" in {row["FLOPs"] for row in csv.DictReader(io.StringIO(to_csv(statistics(summary))["convergence"]))}
