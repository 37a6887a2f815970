import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from frod_bench.report.holm import holm


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, None, 0.8]) == [1.0, None, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("tests", [1, 2, 7])
def test_it_is_the_method_of_statsmodels(tests):
    p_values = np.random.default_rng(tests).uniform(0, 0.1, tests)
    assert holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1])
