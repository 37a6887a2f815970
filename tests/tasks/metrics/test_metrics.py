import math

import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.metrics import Scorer, load_metric

PREDICTIONS = [1, 1, 1, 0, 0, 1]
REFERENCES = [1, 0, 1, 0, 1, 1]  # true positives 3, false positives 1, false negatives 1, true negatives 1


def test_values_by_hand():
    scores = Scorer(["accuracy", "f1", "matthews_correlation"], "validation", 2)("validation", PREDICTIONS, REFERENCES)
    assert scores == pytest.approx(
        {"accuracy": 4 / 6, "f1": 3 / 4, "matthews_correlation": (3 * 1 - 1 * 1) / math.sqrt(4 * 4 * 2 * 2)}
    )
    assert all(type(value) is float for value in scores.values())


def test_constant_predictions_have_values_not_nan():
    scores = Scorer(["f1", "matthews_correlation"], "validation", 2)("validation", [0, 0, 0], [1, 0, 1])
    assert scores == {"f1": 0.0, "matthews_correlation": 0.0}


def test_other_splits_carry_their_name():
    score = Scorer(["accuracy"], "validation_matched", 2)
    assert score("validation_matched", [1], [1]) == {"accuracy": 1.0}
    assert score("validation_mismatched", [1], [0]) == {"accuracy_mismatched": 0.0}
    assert score("holdout", [1], [1]) == {"accuracy_holdout": 1.0}


def test_scores_do_not_accumulate_over_calls():
    score = Scorer(["accuracy"], "validation", 2)
    assert [score("validation", [1, 1], [1, label])["accuracy"] for label in (1, 0)] == [1.0, 0.5]


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError):
        Scorer(["accuracy"], "validation", 2)("validation", [1, 1], [1])


def test_unknown_metric():
    with pytest.raises(RequestError, match=r"Unknown metric acuracy\. Did you mean accuracy"):
        load_metric("acuracy")


def test_a_metric_of_two_classes_is_refused_for_three():
    with pytest.raises(RequestError, match=r"f1, which has no value for 3 classes"):
        Scorer(["accuracy", "f1"], "validation", 3)
    Scorer(["accuracy", "matthews_correlation"], "validation", 3)


def test_nothing_is_left_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_metric.cache_clear()
    Scorer(["accuracy", "f1"], "validation", 2)("validation", [1], [1])
    assert not list(tmp_path.iterdir())
