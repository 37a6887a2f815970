"""Statistics over seeds, against enumeration and hand-made examples."""

from itertools import product
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from frod_bench.report.convergence import convergence
from frod_bench.report.statistics import (
    ALL_TASKS,
    average_ranks,
    estimates,
    intervals,
    paired_comparisons,
    paired_p,
)
from frod_bench.report.summary import summarise


def section_of(*runs):
    [section] = summarise(list(runs)).sections
    return section


def test_the_interval_holds_the_mean_and_stays_inside_the_values():
    values = [0.6, 0.7, 0.8, 0.75]
    [(low, high)] = intervals([values])
    assert 0.6 <= low < fmean(values) < high <= 0.8
    assert intervals([values]) == [(low, high)]


def test_groups_have_their_own_intervals_in_their_order():
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=n).tolist() for n in [3, 5, 1, 3, 0, 40, *[5] * 100]]
    together, alone = intervals(groups), [intervals([group])[0] for group in groups]
    assert together[2] is together[4] is None
    for one, other in zip(together, alone, strict=True):
        assert (one is None and other is None) or one == pytest.approx(other, rel=1e-12)
    assert intervals([[0.5, 0.5], [0.5]]) == [(0.5, 0.5), None]


def test_the_interval_agrees_with_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(1.0, 2.0, 400)
    half = 1.96 * values.std(ddof=1) / 20
    assert intervals([values]) == [pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)]


@pytest.mark.parametrize("pairs", [2, 3, 7])
def test_p_is_the_share_of_sign_changes_that_are_as_extreme(pairs):
    differences = np.random.default_rng(pairs).normal(0.5, 1.0, pairs)
    means = [np.mean(differences * signs) for signs in product((-1, 1), repeat=pairs)]
    extreme = fmean(abs(m) >= abs(differences.mean()) - 1e-12 for m in means)
    assert paired_p([differences]) == [pytest.approx(extreme)]


def test_p_has_its_smallest_value_when_all_pairs_agree():
    three, twenty, none, one = paired_p([[0.1, 0.2, 0.3], [0.1] * 20, [0.0, 0.0], [0.1]])
    assert three == pytest.approx(0.25)
    assert twenty < 1e-4
    assert (none, one) == (1.0, None)


@pytest.mark.parametrize("rows", [175, 277, 408, 872, 1043])
def test_sign_changes_that_are_as_extreme_but_for_rounding_count(rows):
    for right in range(int(0.8 * rows), int(0.8 * rows) + 10):  # of the baseline; the sums -1 and 1 are the smallest
        assert paired_p([[(right + more) / rows - right / rows for more in (-2, -1, 2)]]) == [1.0]


@pytest.mark.parametrize("pairs", [2, 5, 16, 40])
def test_interval_and_p_are_those_of_scipy(pairs):
    values = np.random.default_rng(pairs).normal(0.2, 1.0, pairs)
    bounds = bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=0).confidence_interval
    assert intervals([values]) == [pytest.approx((bounds.low, bounds.high), rel=1e-12)]
    options = {"permutation_type": "samples", "vectorized": True, "n_resamples": 2**16, "rng": 1}
    p = permutation_test((values,), lambda x, axis: np.mean(x, axis=axis), **options).pvalue
    assert paired_p([values]) == [pytest.approx(p, abs=1e-12 if pairs < 17 else 0.01)]


def test_only_common_seeds_are_paired(store):
    section = section_of(
        store("frod", seed=0, best=0.70), store("frod", seed=1, best=0.72), store("frod", seed=2, best=0.99),
        store("lora", seed=1, best=0.70), store("lora", seed=0, best=0.69), store("lora", seed=7, best=0.10),
    )  # fmt: skip
    [found] = paired_comparisons(section, "best")
    assert (found.method, found.baseline, found.task, found.pairs) == ("frod", "lora", "glue/rte", 2)
    assert found.difference == pytest.approx(0.015)
    assert found.interval == pytest.approx((0.01, 0.02))
    assert found.p == pytest.approx(0.5)
    assert next(paired_comparisons(section, "final")).difference == 0.0


@pytest.mark.parametrize("rows", ["train", "eval"])
def test_runs_on_different_numbers_of_rows_are_not_alike(store, rows):
    few, many = ({"samples": {"train": 100, "eval": 50} | {rows: n}} for n in (100, 1000))
    section = section_of(
        *(store("frod", seed=s, best=0.7, **few) for s in range(2)),
        *(store("lora", seed=s, best=0.6, **few) for s in range(2)),
        *(store("vera", seed=s, best=0.9, **many) for s in range(2)),
    )
    assert [(c.baseline, c.pairs) for c in paired_comparisons(section, "best")] == [("lora", 2)]
    assert average_ranks(section, "best") == []
    goal = section_of(store("full_ft", best=0.6, **many), store("frod", best=0.7, **few))
    assert [c.method for c in convergence(goal)] == ["full_ft", "full_ft"]  # a line for each share


def test_over_all_tasks_a_task_is_one_pair_however_many_seeds_it_has(store):
    section = section_of(
        *(store("frod", "glue/rte", seed, best=0.7) for seed in range(3)),
        *(store("lora", "glue/rte", seed, best=0.6) for seed in range(3)),
        store("frod", "glue/sst2", best=0.8), store("lora", "glue/sst2", best=0.9),
    )  # fmt: skip
    *_, over_all = paired_comparisons(section, "best")
    assert (over_all.task, over_all.pairs) == (ALL_TASKS, 2)
    assert over_all.difference == pytest.approx(0.0)


def test_p_values_are_adjusted_within_a_task(store):
    methods = {"frod": 0.8, "lora": 0.7, "vera": 0.6}
    section = section_of(*(store(m, seed=s, best=b + 0.01 * s) for m, b in methods.items() for s in range(4)))
    assert [(c.baseline, c.p, c.p_holm) for c in paired_comparisons(section, "best")] == [
        ("lora", pytest.approx(0.125), pytest.approx(0.25)),
        ("vera", pytest.approx(0.125), pytest.approx(0.25)),
    ]


def test_ties_share_a_rank_and_tasks_that_lack_a_method_do_not_count(store):
    scores = {"glue/rte": (0.7, 0.7, 0.6), "glue/sst2": (0.9, 0.8, 0.7), "glue/cola": (0.1,)}
    methods = ("frod", "lora", "vera")
    section = section_of(
        *(store(m, task, best=b) for task, best in scores.items() for m, b in zip(methods, best, strict=False))
    )
    assert [(r.method, r.rank, r.tasks) for r in average_ranks(section, "best")] == [
        ("frod", 1.25, 2),
        ("lora", 1.75, 2),
        ("vera", 3.0, 2),
    ]
    assert average_ranks(section_of(store("frod"), store("lora", seed=1)), "best") == []


def test_means_that_are_equal_but_for_rounding_share_a_rank(store):
    right = {"frod": (146, 146, 140), "lora": (144, 142, 146)}
    section = section_of(*(store(m, seed=s, best=k / 175) for m, counts in right.items() for s, k in enumerate(counts)))
    assert [(r.method, r.rank) for r in average_ranks(section, "best")] == [("frod", 1.5), ("lora", 1.5)]


def test_convergence_counts_to_the_first_epoch_that_is_good_enough(store):
    # the fixture's epochs score 0.55, best, final and take 20 s each
    section = section_of(
        store("full_ft", seed=0, best=0.60), store("full_ft", seed=1, best=0.60),
        store("frod", seed=0, best=0.58, final=0.60), store("frod", seed=1, best=0.58, final=0.58),
        store("lora", seed=0, best=0.50, final=0.50), store("lora", seed=5, best=0.9),
    )  # fmt: skip
    found = {(c.method, c.share): c for c in convergence(section)}
    close, best = found["frod", 0.95], found["frod", 0.99]
    assert (close.seeds, close.reached, close.epochs, close.seconds) == (2, 2, 2.0, 40.0)
    assert (best.seeds, best.reached, best.epochs, best.seconds) == (2, 1, 3.0, 60.0)
    assert found["lora", 0.95].seeds == 1
    assert (found["lora", 0.95].reached, found["lora", 0.95].epochs) == (0, None)
    assert close.flops is None
    assert convergence(section_of(store("frod"))) == []


def test_the_best_variant_of_full_fine_tuning_is_the_goal(store):
    variants = ((0.1, 0.60), (0.2, 0.80), (0.3, 0.70))  # any setting sets them apart
    runs = [store("full_ft", best=best, sparsity=setting) for setting, best in variants]
    found = convergence(section_of(*runs, store("frod", best=0.77)))
    assert [c.reached for c in found if c.method == "frod"] == [1, 0]


def test_a_single_seed_is_an_estimate_without_an_interval(store):
    [found] = estimates(section_of(store()), "best")
    assert (found.seeds, found.spread.mean, found.spread.std, found.interval) == (1, 0.62, None, None)
