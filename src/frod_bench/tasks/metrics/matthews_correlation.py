"""Matthews correlation of a two-class task."""

import datasets
import evaluate
from sklearn.metrics import matthews_corrcoef


class MatthewsCorrelation(evaluate.Metric):
    """The phi coefficient of predictions and references, -1 to 1; 0 when either is constant."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int32")
        labels = datasets.Features({"predictions": label, "references": label})
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=labels)

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"matthews_correlation": float(matthews_corrcoef(references, predictions))}
