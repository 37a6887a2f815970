"""What a task, its data and a data source look like from outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from datasets import Dataset, Features
from torch import Tensor, nn

from frod_bench.errors import RunFailure

Batch = dict[str, Tensor | int]  # what a model's forward takes


@dataclass(frozen=True)
class Metric:
    """The number a task is reported by."""

    name: str
    higher_is_better: bool = True


@torch.no_grad()
def most_likely_class(model: nn.Module, batch: dict[str, Tensor]) -> list[int]:
    """Return the class of the largest logit of every row. Raises RunFailure when a logit is not finite."""
    logits = model(**batch).logits
    if not logits.isfinite().all():
        raise RunFailure("The model's outputs in evaluation are not finite. Lower the learning rates (train.lr).")
    return logits.argmax(-1).tolist()


@dataclass
class TaskData:
    """A task's rows, ready for a data loader, and how its predictions are scored.

    A text task's rows hold `input_ids`, `attention_mask`, (`token_type_ids`), `labels`, and `length`, the
    number of tokens of the row.
    """

    train: Dataset
    evaluation: dict[str, Dataset]  # by split name; the first is the reported one
    holdout: Dataset | None  # carved from the training rows when asked for
    num_labels: int | None  # None: the model keeps its language-model head
    label_names: list[str]
    metric: Metric
    collate: Callable[[list[dict[str, Any]]], Batch]  # rows -> tensors [batch, longest row]
    measure: Callable[[str, Sequence[int], Sequence[int]], dict[str, float]]  # split, predictions, references
    samples: dict[str, int]  # "train", "eval" (the reported split), then holdout and further splits by name
    provenance: dict[str, str]
    predict: Callable[[nn.Module, dict[str, Tensor]], list[int]] = most_likely_class  # of every row of a batch

    @property
    def trains_on_tokens(self) -> bool:
        """Whether the labels of training rows are tokens [batch, length], so that a loss is a mean over tokens."""
        return self.num_labels is None


class Source(Protocol):
    """A place that rows are read from; an instance serves one run."""

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one split with at least the columns of `schema`.

        Raises `RequestError` when the source does not have them.
        """

    def count(self, repo: str, config: str, split: str, schema: Features) -> int | None:
        """Return how many rows `read` would return, None where only reading tells; raises `RequestError` like it."""

    def provenance(self) -> dict[str, str]:
        """Return `source`, a `revision` or `fingerprint` of what was read so far, and a `note` if due."""


@dataclass(frozen=True, kw_only=True)
class RowRequest:
    """Which rows of a task a run uses, and in which form.

    `max_train` training rows and `max_eval` rows of each evaluation split are kept, all with None: a fixed part, the
    same for every method and seed. With `holdout` a tenth of these training rows is held out for the selection of an
    epoch. `text` names the format of a text, `max_length` the most tokens of a training row and `eval_max_length` of
    an evaluation row (None: the same); all three are None for images.
    """

    max_train: int | None = None
    max_eval: int | None = None
    holdout: bool = False
    text: str | None = None
    max_length: int | None = None
    eval_max_length: int | None = None


class Task(Protocol):
    """A data set together with its text format and its metrics."""

    name: str
    suite: str
    repo: str
    config: str
    rows: Mapping[str, int]  # the official size of each split

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """Return how many rows the source has to train on and in the reported split, None where it cannot tell.

        Raises `RequestError` when it has none.
        """

    def load(self, source: Source, processor: Any, request: RowRequest) -> TaskData:
        """Read, check, choose and encode the rows.

        `processor` is the backbone's: a tokenizer for text, a transform for images. Raises `RequestError` on an option
        out of range, and on rows that are missing or do not fit the task.
        """
