"""The uncertainty of one run's score that comes from the number of evaluation rows."""

import numpy as np

from frod_bench.errors import RequestError
from frod_bench.record import StoredRun
from frod_bench.report.paired.scores import is_known, resampled

LEVEL = 0.95


def score_interval(run: StoredRun) -> tuple[float, float] | None:
    """Return the 95 % interval of the reported score over samples of as many rows; None where rows are not stored.

    Of an accuracy it is Wilson's, of another metric the percentiles of a bootstrap over rows. It says nothing about
    other seeds.
    """
    metric = run.record.metric["name"]
    try:
        rows = run.predictions()
    except RequestError:
        return None
    if rows is None or not is_known(metric):
        return None
    if metric == "accuracy":
        from scipy.stats import binomtest

        right = int((rows.labels == rows.predictions).sum())
        found = binomtest(right, len(rows.labels)).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(resampled(metric, rows.labels, rows.predictions), [outside, 100 - outside])
    return float(low), float(high)
