import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels

from frod_bench.report.paired.mcnemar import mcnemar


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (6, 0), (4, 4), (12, 5), (40, 71), (300, 250)])
def test_p_is_that_of_statsmodels(only_first, only_second):
    first = np.repeat([True, True, False, False], [30, only_first, only_second, 7])
    second = np.repeat([True, False, True, False], [30, only_first, only_second, 7])
    expected = of_statsmodels([[30, only_first], [only_second, 7]], exact=True).pvalue
    assert mcnemar(first, second) == pytest.approx(expected)
