"""Predictions of simulated methods."""

import numpy as np
import pytest

from frod_bench.report.paired.difference import Runs


@pytest.fixture
def draw():
    """Return a function that draws two methods' runs on the same rows, with classes 0 and 1."""

    def make(rows=200, seeds=(0, 1, 2, 3), others=None, accuracies=(0.8, 0.75), seed=0):
        rng = np.random.default_rng(seed)
        labels = (rng.random(rows) < 0.6).astype(int)
        hard = rng.standard_normal(rows)

        def runs(accuracy, numbers):
            noise = 0.7 * rng.standard_normal((len(numbers), rows)) + 0.1 * rng.standard_normal((len(numbers), 1))
            right = hard + noise < np.quantile(hard, accuracy)
            return Runs(tuple(numbers), labels, np.where(right, labels, 1 - labels))

        return runs(accuracies[0], seeds), runs(accuracies[1], others or seeds)

    return make
