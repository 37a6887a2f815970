import pytest

from frod_bench.tasks.per_task_scorer import PerTaskScorer


def test_one_task_scores_as_always():
    score = PerTaskScorer(["accuracy", "unmatched"], "validation", {"commonsense/boolq": 2})
    assert score("validation", [0, 1, -1, 1], [0, 1, 1, 0]) == {"accuracy": 0.5, "unmatched": 0.25}
    assert score("test", [0], [0]) == {"accuracy_test": 1.0, "unmatched_test": 0.0}


def test_several_tasks_count_alike_whatever_their_size():
    score = PerTaskScorer(["accuracy"], "validation", {"c/boolq": 2, "c/siqa": 3})
    scores = score("validation", [0, 1, 1, 1, 4], [0, 1, 1, 0, 2])
    assert scores == {"accuracy": pytest.approx(0.375), "accuracy_boolq": 0.75, "accuracy_siqa": 0.0}
