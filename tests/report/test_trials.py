import pytest

from frod_bench.report.summary import summarise
from frod_bench.report.trials import by_search, cost, search_of, trials_of

SCORES = {0.1: [0.6, 0.62], 1: [0.7, 0.74], 10: [0.5, None]}


def test_a_trial_is_the_mean_over_its_seeds_and_none_where_one_diverged(searched):
    _, stored = searched("frod", SCORES)
    trials = trials_of(stored)
    assert [trial.score for trial in trials] == [pytest.approx(0.61), pytest.approx(0.72), None]
    assert [dict(trial.rates)["head"] for trial in trials] == [1e-3, 1e-2, 1e-1]
    assert [trial.diverged for trial in trials] == [False, False, True]
    assert [len(trial.scores) for trial in trials] == [2, 2, 1]


def test_runs_find_the_search_of_their_own_method_task_and_rows(searched):
    runs, trials = searched("frod", SCORES)
    others = [run for method, rows in (("frod", 200), ("lora", 100)) for run in searched(method, SCORES, rows=rows)[1]]
    searches = by_search([*others, *trials])
    assert len(searches) == 3
    for run in runs:
        assert searches[search_of(run)] == trials


def test_every_trial_counts_once_and_only_if_it_ended(searched, store):
    _, trials = searched("frod", SCORES)
    running = store("frod", status="running", settings=trials[0].record.settings | {"seed": 7}, identity="other")
    failed = store("frod", status="failed", error="The disk is full.", settings={"evaluation": "never"}, identity="x")
    assert by_search([*trials, *trials, running, failed]) == {search_of(trials[0]): trials}


def test_rows_have_the_trials_of_their_search_and_only_tuned_ones_do(searched, store):
    runs, trials = searched("frod", SCORES)
    summary = summarise([*runs, store("lora")], trials)
    assert {row.method: len(row.trials) for section in summary.sections for row in section.rows} == {
        "frod": len(trials),
        "lora": 0,
    }


def test_cost_is_the_sum_over_the_runs_and_unknown_where_one_did_not_count(store):
    counted, other = store(flops=2e9), store(seed=1, flops=3e9)
    assert cost([counted, other]).hours == pytest.approx(2 * 64 / 3600)
    assert cost([counted, other]).flops == pytest.approx(3 * 5e9)
    assert cost([counted, store(seed=2)]).flops is None
