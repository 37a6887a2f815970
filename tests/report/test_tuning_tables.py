import csv
import io

import pytest

from frod_bench.report import statistics_tables, tables
from frod_bench.report.html.page import page
from frod_bench.report.summary import summarise
from frod_bench.report.tuning_tables import best_after_trials, costs

SCORES = {0.1: [0.6], 1: [0.7], 10: [None]}


@pytest.fixture
def summary(searched):
    found = [searched("frod", SCORES, flops=1e9), searched("lora", {1: [0.5]}, flops=2e9)]
    runs, trials = ([run for each in found for run in each[part]] for part in (0, 1))
    return summarise(runs, trials)


def test_every_score_has_the_cost_of_its_runs_and_of_its_search(summary):
    [table] = costs(summary.sections[0])
    frod, lora = (dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows)
    assert (frod["score"], frod["runs"], frod["trials"], frod["diverged"]) == (0.62, 2, 3, 1)
    assert frod["hours"] == pytest.approx(2 * 64 / 3600)
    assert frod["hours of trials"] == pytest.approx(3 * 64 / 3600)
    assert frod["FLOPs of trials"] == 9e9 and frod["FLOPs"] == 6e9
    assert (lora["trials"], lora["diverged"], lora["FLOPs of trials"]) == (1, 0, 6e9)


def test_costs_are_in_every_form(summary):
    [table] = costs(summary.sections[0])
    computed = statistics_tables.statistics(summary)
    assert "final: the same epoch" in tables.to_text(summary)
    for text in (
        tables.to_text(summary), tables.to_markdown(summary), page(summary, "title"),
        statistics_tables.to_text(computed), statistics_tables.to_markdown(computed),
    ):  # fmt: skip
        assert table.title in text and "hours of trials" in text and "9.00e+09" in text
    (row, _) = csv.DictReader(io.StringIO(tables.to_csv(summary)))
    assert (row["trials"], row["trials_diverged"], row["flops"], row["flops_of_trials"]) == ("3", "1", "6e+09", "9e+09")
    assert float(row["hours_of_trials"]) == pytest.approx(3 * 64 / 3600, rel=1e-3)
    assert {"costs", "trials"} < statistics_tables.to_csv(computed).keys()


def test_a_search_that_is_not_stored_is_not_free(searched):
    runs, _ = searched("frod", SCORES)
    [table] = costs(summarise(runs).sections[0])
    assert table.rows[0][-4:] == (None,) * 4
    assert "not in the folders" in table.notes[-1]
    assert not best_after_trials(summarise(runs).sections[0]).rows


def test_runs_with_the_rates_of_a_recipe_have_no_costs(store):
    [section] = summarise([store()]).sections
    assert costs(section) == [] and best_after_trials(section).rows == []
    assert "What the scores cost" not in tables.to_text(summarise([store()]))


def test_expected_best_counts_a_diverged_trial_as_zero(summary):
    table = best_after_trials(summary.sections[0])
    frod, lora = table.rows
    assert frod == ("glue/rte", "frod", pytest.approx(1.3 / 3), pytest.approx(0.7), None, None, 3, 0.7)
    assert lora == ("glue/rte", "lora", pytest.approx(0.5), None, None, None, 1, 0.5)
