"""Unmatched: the share of rows whose generated text holds no answer of the task."""

import datasets
import evaluate


class Unmatched(evaluate.Metric):
    """Predictions of -1 / all predictions, 0 to 1; each of them counts as wrong in the accuracy."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int32")
        labels = datasets.Features({"predictions": label, "references": label})
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=labels)

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"unmatched": sum(prediction == -1 for prediction in predictions) / len(predictions)}
