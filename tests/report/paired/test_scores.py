"""Scores and their covariance, against scikit-learn, a plain bootstrap and the binomial distribution."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from frod_bench.report.paired.scores import covariance, is_known, scores

METRICS = {"accuracy": accuracy_score, "f1": f1_score, "matthews_correlation": matthews_corrcoef}


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_those_of_scikit_learn(draw, metric):
    runs, _ = draw()
    assert is_known(metric)
    expected = [METRICS[metric](runs.labels, predictions) for predictions in runs.predictions]
    assert scores(metric, runs.labels, runs.predictions) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("label", "prediction"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_scores_without_a_definition_are_those_of_scikit_learn(metric, label, prediction):
    labels, predictions = np.full(5, label), np.full((1, 5), prediction)
    own = scores(metric, labels, predictions)
    if metric == "f1":
        assert own == f1_score(labels, predictions[0], zero_division=0.0)
    else:
        assert own == METRICS[metric](labels, predictions[0])


def test_accuracy_takes_any_number_of_classes():
    assert scores("accuracy", np.array([4, 2, 0]), np.array([[4, 1, 0], [0, 0, -1]])) == pytest.approx([2 / 3, 0])
    assert not is_known("perplexity")


@pytest.mark.parametrize("metric", METRICS)
def test_the_covariance_is_that_of_a_plain_bootstrap_over_rows(draw, metric):
    a, b = draw(rows=300, seeds=(0, 1))
    both = np.concatenate([a.predictions, b.predictions])
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, 300, 300) for _ in range(1500)]
    expected = np.cov([scores(metric, a.labels[rows], both[:, rows]) for rows in drawn], rowvar=False)
    found = covariance(metric, a.labels, both, np.array([True, True, False, False]))
    assert found == pytest.approx(expected, abs=0.1 * expected.max())
    assert np.sqrt(np.diag(found)) == pytest.approx(np.sqrt(np.diag(expected)), rel=0.08)


@pytest.mark.parametrize("metric", METRICS)
def test_methods_that_agree_on_few_rows_may_still_differ(metric):
    labels = np.array([0, 1] * 25)
    found = covariance(metric, labels, np.stack([labels, labels]), np.array([True, False]))
    of_difference = found[0, 0] + found[1, 1] - 2 * found[0, 1]
    assert 0.01 < np.sqrt(of_difference) < 0.1  # no disagreement in 50 rows leaves up to 6 % open
