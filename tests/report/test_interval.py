"""The interval of one run's score over samples of its rows, against scipy and a bootstrap over rows."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest

from frod_bench.errors import RequestError
from frod_bench.record.predictions import RowPredictions
from frod_bench.report.interval import score_interval
from frod_bench.report.paired.scores import scores

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 2, 200).astype(np.int32)
PREDICTIONS = np.where(RNG.random(200) < 0.8, LABELS, 1 - LABELS).astype(np.int32)


def run(metric, predictions):
    record = SimpleNamespace(metric={"name": metric})
    return SimpleNamespace(record=record, predictions=lambda: predictions)


def test_accuracy_has_wilsons():
    found = score_interval(run("accuracy", RowPredictions(np.arange(200), LABELS, PREDICTIONS)))
    right = int((LABELS == PREDICTIONS).sum())
    assert found == pytest.approx(tuple(binomtest(right, 200).proportion_ci(method="wilson")))
    assert score_interval(run("accuracy", RowPredictions(np.arange(4), LABELS[:4], LABELS[:4])))[1] == 1


@pytest.mark.parametrize("metric", ["f1", "matthews_correlation"])
def test_other_metrics_have_a_bootstrap_over_rows(metric):
    found = score_interval(run(metric, RowPredictions(np.arange(200), LABELS, PREDICTIONS)))
    drawn = RNG.integers(0, 200, (1000, 200))
    values = [scores(metric, LABELS[rows], PREDICTIONS[rows][None])[0] for rows in drawn]
    assert found == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=0.02)


def test_without_rows_there_is_none():
    assert score_interval(run("accuracy", None)) is None
    assert score_interval(run("bleu", RowPredictions(np.arange(200), LABELS, PREDICTIONS))) is None

    def broken():
        raise RequestError("edited")

    assert score_interval(SimpleNamespace(record=run("f1", None).record, predictions=broken)) is None
