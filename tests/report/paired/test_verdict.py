"""Verdicts on differences whose truth is plain."""

from dataclasses import replace

import pytest
from scipy.stats import ttest_1samp

from frod_bench.report.paired.difference import Difference
from frod_bench.report.paired.verdict import Pair, judge, over_sampled_tasks

SURE = Difference(
    value=0.0, rows=1000, seeds=5, of_rows=4e-6, of_seeds=4e-6, of_both=2e-6, degrees=4.0, discordance=0.1
)
VAGUE = replace(SURE, of_rows=4e-4, of_seeds=4e-4)


def pair(value, kind=SURE, baseline="lora"):
    return Pair("glue/sst2", "frod", baseline, (replace(kind, value=value),))


def verdict(*arguments, margin=0.01):
    [judged] = judge([pair(*arguments)], margin)
    return judged.verdict


def test_the_four_verdicts():
    assert verdict(0.03) == "better"
    assert verdict(-0.03) == "worse"
    assert verdict(0.001) == "equivalent"
    assert verdict(0.001, VAGUE) == "undecided"
    assert verdict(0.03, VAGUE) == "undecided"


def test_a_sure_difference_within_the_margin_is_still_a_difference():
    assert verdict(0.01, margin=0.05) == "better"


def test_a_wider_margin_turns_undecided_into_equivalent():
    assert verdict(0.001, VAGUE, margin=0.1) == "equivalent"


def test_more_baselines_ask_for_more_evidence():
    value = 0.0085
    assert verdict(value) == "better"
    block = judge([pair(value, baseline=str(n)) for n in range(10)])
    assert {each.verdict for each in block} == {"undecided"}
    assert block[0].p == pytest.approx(10 * pair(value).p)
    assert block[0].detectable > 1.2 * judge([pair(value)])[0].detectable


def test_undecided_says_what_would_decide():
    [judged] = judge([pair(0.001, VAGUE)])
    assert judged.detectable > judged.margin
    assert judged.seeds_needed is None  # the rows alone leave more than a point open
    assert judged.rows_needed is None  # and so do five seeds
    [judged] = judge([pair(0.001, replace(SURE, of_rows=1e-6, of_seeds=5e-5))])
    assert judged.verdict == "undecided"
    assert 5 < judged.seeds_needed < 50


def test_one_run_each_is_judged_by_mcnemar():
    single = replace(SURE, seeds=1, of_seeds=0.0, of_both=0.0, degrees=float("inf"), p_exact=0.2)
    assert pair(0.03, single).p == 0.2
    assert verdict(0.03, single) == "undecided"
    both = Pair("all tasks", "frod", "lora", (single, replace(single, value=0.03)))
    assert both.p < 0.01  # there is no exact test over tasks


def test_tasks_as_a_sample_are_judged_by_the_spread_of_their_differences():
    values = [0.01, 0.05, -0.02, 0.03]
    found = over_sampled_tasks([replace(SURE, value=value) for value in values])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx((expected.low, expected.high))
    alike = over_sampled_tasks([replace(SURE, value=0.01)] * 4)
    assert alike.variance == pytest.approx(SURE.variance / 4)
    assert over_sampled_tasks([SURE]) is None
