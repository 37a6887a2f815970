"""Verdicts in words."""

from dataclasses import replace
from math import inf

import pytest

from frod_bench.report.paired.difference import Difference
from frod_bench.report.paired.verdict import Pair, judge
from frod_bench.report.paired.words import points, sentence, signed

PART = Difference(
    value=0.013, rows=872, seeds=5, of_rows=6e-6, of_seeds=4e-6, of_both=2e-6, degrees=4.0, discordance=0.1
)


def words(*parts, baselines=1, margin=0.01):
    task = "glue/sst2" if len(parts) == 1 else f"the mean of {len(parts)} tasks"
    return sentence(judge([Pair(task, "frod", "lora", parts)] * baselines, margin)[0])


def test_better():
    assert words(PART, baselines=2) == (
        "frod is better than lora on glue/sst2: +1.3 points (95 % interval +0.6 to +2.0, 5 seeds, 872 rows,"
        " Holm-adjusted p = 0.0042)."
    )


def test_worse_within_the_margin():
    assert words(replace(PART, value=-0.013), margin=0.02) == (
        "frod is worse than lora on glue/sst2: -1.3 points (95 % interval -2.0 to -0.6, 5 seeds, 872 rows, p = 0.0021)."
        " The difference is within the margin."
    )


def test_equivalent():
    text = words(replace(PART, value=0.0001))
    assert text.startswith(
        "frod and lora are equivalent on glue/sst2, within 1 point: +0.0 points (95 % interval -0.7 to"
    )
    assert "5 seeds, 872 rows, p of equivalence = 0.0053" in text


def test_undecided_says_what_would_decide():
    text = words(replace(PART, value=0.004, of_seeds=4e-5))
    assert "frod against lora on glue/sst2 is undecided: +0.4 points" in text
    assert "To show 1 point with probability 0.8 it takes" in text and " seeds on these rows" in text
    assert text.endswith("points now.")
    hopeless = words(replace(PART, value=0.004, of_rows=4e-5, of_seeds=4e-5, of_both=0.0))
    assert "it takes both more rows and more seeds; it shows" in hopeless


def test_one_run_each_speaks_of_runs():
    single = replace(PART, value=0.03, seeds=1, of_seeds=0.0, of_both=0.0, degrees=inf, p_exact=0.001)
    assert words(single) == (
        "one run of frod is better than one run of lora on glue/sst2: +3.0 points (95 % interval +2.5 to +3.5, one"
        " seed, 872 rows, p = 0.001). Other seeds may differ."
    )


def test_a_mean_of_tasks_has_both_intervals():
    text = words(PART, replace(PART, value=0.02), replace(PART, value=0.0))
    assert "on the mean of 3 tasks: +1.1 points (95 % interval" in text
    assert "on these tasks," in text and "over tasks like these, 5 seeds, 2,616 rows" in text


@pytest.mark.parametrize(("fraction", "text"), [(0.01, "1 point"), (0.015, "1.5 points"), (0.0025, "0.25 points")])
def test_points(fraction, text):
    assert points(fraction) == text
    assert signed(-0.0001) == "+0.0"
