"""Predict one evaluation split batch by batch, so that a checkpoint can keep what is done."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from frod_bench.tasks.base import Prediction
from frod_bench.train.batches import chunks
from frod_bench.train.loading import Loader, lengths_of

# number of the row in the split, label, prediction, scores, text (see `record.predictions`); plain, for checkpoints
Predictions = list[tuple[int, int, int, list[float] | None, str | None]]
Predict = Callable[[nn.Module, dict[str, Tensor]], list[Prediction]]


def predict(
    rows: Any,
    predictions: Predictions,
    batch_size: int,
    model: nn.Module,
    predict: Predict,
    load: Loader,
    accelerator: Accelerator,
) -> Iterator[None]:
    """Predict every row that is not in `predictions` yet and add it there; yields after each batch.

    Rows of similar length share a batch, the shortest first. Every process predicts its own part of a batch.
    """
    lengths = lengths_of(rows)
    there = {row for row, *_ in predictions}
    order = [row for row in sorted(range(len(rows)), key=lambda r: lengths[r]) if row not in there]
    batches = list(chunks(order, batch_size))
    world, rank = accelerator.num_processes, accelerator.process_index
    for chunk, (batch, own, _) in zip(batches, load(rows, lengths, batches, begun=bool(predictions)), strict=True):
        tensors = cast(dict[str, Tensor], batch)  # only batches for training hold a number as well
        with accelerator.autocast():
            predicted = predict(model, tensors)
        labels = tensors["labels"][:own].tolist()
        for row, label, found in zip(chunk[rank::world], labels, predicted[:own], strict=True):
            predictions.append((row, label, *found))
        yield


def gather_predictions(predictions: Predictions, accelerator: Accelerator) -> Predictions:
    """Return the predictions of all processes in row order."""
    everything = gather_object(predictions) if accelerator.num_processes > 1 else predictions
    by_row = {row[0]: row for row in everything}
    return [by_row[number] for number in sorted(by_row)]
