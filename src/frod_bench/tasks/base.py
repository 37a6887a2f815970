"""The interfaces of tasks, their data and data sources."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from datasets import Dataset, Features
from torch import Tensor, nn

from frod_bench.errors import Diverged
from frod_bench.tasks.row_table import RowTable

Batch = dict[str, Tensor | int]  # what a model's forward takes
HEAD = "head"  # in rows of several tasks that are trained together: which head reads the row


@dataclass(frozen=True)
class Metric:
    """The metric that a task is reported by."""

    name: str
    higher_is_better: bool = True


class Prediction(NamedTuple):
    """What a model says of one row: a class, with the probabilities of all classes, or the scores of all choices.

    `text` is the answer that a language model wrote; it has no scores.
    """

    answer: int
    scores: list[float] | None = None
    text: str | None = None


@torch.no_grad()
def most_likely_class(model: nn.Module, batch: dict[str, Tensor]) -> list[Prediction]:
    """Return the class with the largest logit for every row. Raises Diverged when a logit is not finite."""
    logits = model(**batch).logits
    if not logits.isfinite().all():
        raise Diverged("The model's outputs in evaluation are not finite. Lower the learning rates (train.lr).")
    probabilities = logits.float().softmax(-1).tolist()
    return [Prediction(*row) for row in zip(logits.argmax(-1).tolist(), probabilities, strict=True)]


@dataclass
class TaskData:
    """The encoded rows of a task and how its predictions are scored.

    Rows of text hold `input_ids`, `attention_mask`, for some models `token_type_ids`, `labels`, and `length`, the
    number of tokens.
    """

    train: Dataset
    reported: str  # the evaluation split that scores are reported on
    evaluation: dict[str, Dataset]  # by split name; empty when the run reads no evaluation rows
    holdout: Dataset | None  # held out from the training rows, for selecting an epoch
    num_labels: int | None  # None: the model keeps its language-model head
    label_names: list[str]
    metric: Metric
    collate: Callable[[list[dict[str, Any]]], Batch]  # rows -> tensors [batch, longest row]
    measure: Callable[[str, Sequence[int], Sequence[int]], dict[str, float]]  # split, predictions, references
    samples: dict[str, int]  # rows of "train", "eval" (the reported split), and of further splits and "holdout" by name
    provenance: dict[str, Any]  # what the record says of the rows: `source` and more
    row_ids: dict[str, Sequence[int]]  # by evaluation split and "holdout": the number of each row in the source's split
    predict: Callable[[nn.Module, dict[str, Tensor]], list[Prediction]] = most_likely_class  # of every row of a batch

    @property
    def trains_on_tokens(self) -> bool:
        """Whether the labels of training rows are tokens [batch, length], so that a loss is a mean over tokens."""
        return self.num_labels is None


@dataclass(frozen=True)
class NewRows:
    """Rows that a user brings, encoded like the evaluation rows of a task.

    `labels` are those of the rows that have one. `shown` are the columns by which a person knows the rows, `notes`
    remarks for that person. The other fields are those of `TaskData`; `measure` takes the reported split's name.
    """

    rows: Any
    labels: list[int | None]
    shown: dict[str, list[str]]
    label_names: list[str]
    collate: Callable[[list[dict[str, Any]]], Batch]
    measure: Callable[[Sequence[int], Sequence[int]], dict[str, float]]  # predictions, references
    predict: Callable[[nn.Module, dict[str, Tensor]], list[Prediction]] = most_likely_class
    notes: Sequence[str] = ()


class Source(Protocol):
    """A place to read rows from; an instance serves one run."""

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one split, with at least the columns of `schema`.

        Raises `RequestError` when the source does not have the rows.
        """

    def count(self, repo: str, config: str, split: str, schema: Features) -> int | None:
        """Return the number of rows that `read` would return, or None if only reading tells. Raises like `read`."""

    def provenance(self) -> dict[str, str]:
        """Return `source`, a `revision` or `fingerprint` of the files read so far, and a `note` where rows need one."""


@dataclass(frozen=True, kw_only=True)
class RowRequest:
    """Which rows of a task a run uses, and in which form.

    `max_train` training rows and `max_eval` rows of each evaluation split are kept, all with None: a fixed part, the
    same for every method and seed. `more_eval` training rows, a number or a share, are moved to the reported split
    before anything else, where it has too few. `holdout` training rows are held out for the selection of an epoch: a
    number of rows or a share, chosen before `max_train`, or with True a tenth of the rows that `max_train` leaves.
    Without `evaluation` the evaluation rows are not even read. `text` names the format of a text, `max_length` the most
    tokens of a training row and `eval_max_length` of an evaluation row (None: the same); all are None for images.
    """

    max_train: int | None = None
    max_eval: int | None = None
    more_eval: int | float | None = None
    holdout: bool | int | float = False
    evaluation: bool = True
    text: str | None = None
    max_length: int | None = None
    eval_max_length: int | None = None


class Task(Protocol):
    """A data set with its text format and metrics."""

    name: str
    suite: str
    repo: str
    config: str
    rows: Mapping[str, int]  # the official size of each split

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """Return the number of training rows and of rows in the reported split, None where the source cannot tell.

        `text` names the text format. Raises `RequestError` when the source does not have the rows.
        """

    def classes(self, text: str | None) -> list[str] | None:
        """Return the names of the head's classes, None where a language model answers in words."""

    def encode_new(self, table: RowTable, processor: Any, request: RowRequest) -> NewRows:
        """Return the rows of a user as the model of a run reads them.

        Raises `RequestError` for rows that do not fit the task.
        """

    def load(self, source: Source, processor: Any, request: RowRequest) -> TaskData:
        """Read, check, choose and encode the rows.

        `processor` is the backbone's: a tokenizer for text, a transform for images. Raises `RequestError` on an option
        out of range, and on rows that are missing or do not fit the task.
        """


@runtime_checkable
class HasHeads(Protocol):
    """Several tasks in one, each with a head of its own."""

    def head_sizes(self, text: str | None) -> list[int]:
        """Return the number of classes of each head."""


@runtime_checkable
class FindsClasses(Protocol):
    """A task that finds its classes in its rows."""

    def find(self, source: Source) -> Mapping[str, Any]:
        """Return what `with_found` takes, from the rows. Raises `RequestError` for rows that do not fit the task."""

    def with_found(self, data: Mapping[str, Any]) -> Task:
        """Return the task with what the record of a run says of its rows, so that they need not be read again."""
