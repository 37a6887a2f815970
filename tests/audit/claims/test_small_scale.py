"""The order of methods on small backbones, judged on made-up predictions."""

import numpy as np
import pytest

from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED

TASKS = ("glue/sst2", "glue/mrpc", "glue/qnli")


def right(share, rows=2000, seeds=4, noise=0.01, seed=0):
    """Return right answers [seeds, rows] at about that accuracy; the same rows are hard in every call."""
    hard = np.arange(rows) / rows
    flips = np.random.default_rng(seed).random((seeds, rows)) < noise
    return (hard < share) ^ flips


@pytest.fixture
def write(tuned):
    def make(**accuracies):
        for number, (method, share) in enumerate(accuracies.items()):
            for task in TASKS:
                tuned(method, right(share, seed=number), task)

    return make


@pytest.mark.parametrize(
    ("frod", "verdict"),
    [(0.80, HOLDS), (0.85, HOLDS), (0.70, FAILS), (0.794, HOLDS)],  # the last is worse, within a point
)
def test_full_fine_tuning_is_matched_or_not(check, write, frod, verdict):
    write(frod=frod, full_ft=0.8)
    finding = check("small-full-ft")
    assert finding.verdict == verdict
    assert "the mean of 3 tasks" in finding.measured and "would be found with probability 0.8" in finding.measured
    assert [row[1] for row in finding.rows] == [*sorted(TASKS), "the mean of 3 tasks"]


def test_too_few_rows_decide_nothing_and_it_says_how_many_would(check, tuned):
    for number, (method, share) in enumerate({"frod": 0.8, "full_ft": 0.81}.items()):
        tuned(method, right(share, rows=60, noise=0.3, seed=number))
    finding = check("small-full-ft")
    assert finding.verdict == UNDECIDED
    assert "To show 1 point with probability 0.8 it takes" in finding.would_take


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ({"lora": 0.75, "vera": 0.7}, HOLDS),
        ({"lora": 0.75, "vera": 0.86}, FAILS),
        ({"lora": 0.8, "vera": 0.7}, FAILS),  # as good is not better
    ],
)
def test_every_other_adapter_counts_and_full_fine_tuning_does_not(check, write, others, verdict):
    write(frod=0.8, full_ft=0.9, **others)
    finding = check("small-adapters")
    assert finding.verdict == verdict
    assert {row[3] for row in finding.rows} == {"lora", "vera"}


def test_runs_of_other_sizes_are_judged_by_themselves(check, tuned):
    for task in TASKS:
        tuned("frod", right(0.8), task, **{"data.max_train": 1000})
        tuned("full_ft", right(0.8, seed=1), task, **{"data.max_train": 1000})
    tuned("full_ft", right(0.99, seed=2), **{"data.max_train": 100})
    finding = check("small-full-ft")
    assert finding.verdict == HOLDS and len(finding.rows) == 4


@pytest.mark.parametrize("name", ["small-full-ft", "small-adapters"])
def test_without_predictions_nothing_is_decided(check, store, name):
    for method in ("frod", "full_ft", "lora"):
        store(method, [0.5, 0.9])
    finding = check(name)
    assert finding.verdict == UNDECIDED and "Of 3 stored runs none have predictions" in finding.measured
    assert "frod-bench table study_glue" in finding.would_take
