"""Accuracy: the share of predictions that are right."""

import datasets
import evaluate
from sklearn.metrics import accuracy_score


class Accuracy(evaluate.Metric):
    """Right predictions / all predictions, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int32")
        labels = datasets.Features({"predictions": label, "references": label})
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=labels)

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}
