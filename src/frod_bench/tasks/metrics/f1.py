"""F1 of a two-class task, label 1 being the positive class."""

import datasets
import evaluate
from sklearn.metrics import f1_score


class F1(evaluate.Metric):
    """2 precision recall / (precision + recall), 0 to 1; 0 when label 1 is neither predicted nor present."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int32")
        labels = datasets.Features({"predictions": label, "references": label})
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=labels)

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"f1": float(f1_score(references, predictions, zero_division=0.0))}
