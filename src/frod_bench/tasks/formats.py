"""The two text formats of a question: for a classification head, and for a language model that writes the answer."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.base import Batch, Prediction, most_likely_class
from frod_bench.tasks.generation import Generation
from frod_bench.tasks.likelihood import Likelihood
from frod_bench.tasks.prompts import Pieces, fit
from frod_bench.tasks.text import CUT, PadToLongest

LOSSES = ("response", "sequence")
Collate = Callable[[list[dict[str, Any]]], Batch]
Predict = Callable[[nn.Module, dict[str, Tensor]], list[Prediction]]
IGNORED = -100  # a label that counts nothing in the loss


class Format(Protocol):
    """Encode questions as rows of token ids, and read a model's answers.

    Questions are rows of `pieces` (see `prompts.Pieces`), `origin` ("Row 3 of google/boolq/default/train"),
    `labels` (the class, counted through all tasks) and `task` (the number of the row's task).
    """

    num_labels: int | None
    metrics: tuple[str, ...]  # in addition to the task's own
    collate: Collate
    predict: Predict

    def encode(self, questions: Dataset, answered: bool, desc: str) -> Dataset:
        """Return token ids with `labels`, `length` and `cut`; `answered` rows are for training."""


class Classification:
    """A classification head, with one logit per class, reads the last token of the prompt.

    Prompts have at most `max_length` tokens in training and `eval_max_length` in evaluation.
    """

    metrics: tuple[str, ...] = ()

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, label_names: Sequence[str], max_length: int, eval_max_length: int
    ):
        self._tokenizer, self._lengths = tokenizer, {True: max_length, False: eval_max_length}
        self.num_labels: int | None = len(label_names)
        self.collate: Collate = PadToLongest(tokenizer)
        self.predict: Predict = most_likely_class

    def encode(self, questions: Dataset, answered: bool, desc: str) -> Dataset:
        """See `Format.encode`; training and evaluation rows differ only in their maximum length."""

        def encode_batch(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
            prompts, cut = fit(batch["pieces"], batch["origin"], self._tokenizer, self._lengths[answered])
            masks = [[1] * len(ids) for ids in prompts]
            return _columns(prompts, batch["labels"], cut) | {"attention_mask": masks}

        return questions.map(encode_batch, batched=True, remove_columns=questions.column_names, desc=desc)


class Instruction:
    """A language model reads the prompt inside `wrapper` and continues with `response`.

    Training rows are prompt, response and end token. Their labels are tokens; those of the prompt are ignored when
    `loss_on` is "response". The first token never counts, as it follows nothing, or padding where another row of the
    batch is longer. Evaluation rows are prompts with classes as labels. A prompt with the longest response has at most
    `max_length` tokens in training and `eval_max_length` in evaluation.
    """

    num_labels: int | None = None
    metrics: tuple[str, ...] = ("unmatched",)

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        answers: Sequence[Sequence[str]],
        max_length: int,
        eval_max_length: int,
        *,
        wrapper: str,
        response: str,
        scoring: str | None,
        loss_on: str | None,
        beams: int | None,
    ):
        _check(scoring, loss_on, beams, wrapper, response)
        assert scoring is not None
        self._tokenizer, self._prompt_counts = tokenizer, loss_on == "sequence"
        self._lengths = {True: max_length, False: eval_max_length}
        self._before, _, self._after = wrapper.partition("{instruction}")
        responses = [[response.replace("{answer}", answer) for answer in task] for task in answers]
        tokens = [tokenizer(text, add_special_tokens=False)["input_ids"] for task in responses for text in task]
        self._responses = [[*ids, tokenizer.eos_token_id] for ids in tokens]
        self.collate: Collate = PadLeft(tokenizer)
        self.predict: Predict = SCORINGS[scoring](tokenizer, answers, responses, beams, self._after.strip())

    def encode(self, questions: Dataset, answered: bool, desc: str) -> Dataset:
        """See `Format.encode`. Every prompt leaves room for the longest response, also in evaluation."""
        room = self._lengths[answered] - max(map(len, self._responses))

        def encode_batch(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
            wrapped = [self._wrapped(pieces) for pieces in batch["pieces"]]
            prompts, cut = fit(wrapped, batch["origin"], self._tokenizer, room)
            if not answered:
                return _columns(prompts, batch["labels"], cut) | {"task": batch["task"]}
            responses = [self._responses[label] for label in batch["labels"]]
            sequences = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
            silent = [1 if self._prompt_counts else len(prompt) for prompt in prompts]
            labels = [[IGNORED] * start + ids[start:] for start, ids in zip(silent, sequences, strict=True)]
            return _columns(sequences, labels, cut)

        return questions.map(encode_batch, batched=True, remove_columns=questions.column_names, desc=desc)

    def _wrapped(self, pieces: Pieces) -> Pieces:
        pieces = [self._before + pieces[0], *pieces[1:]]
        return [*pieces[:-1], pieces[-1] + self._after]


class PadLeft:
    """Collate rows with padding on the left, so that all prompts end together: tensors [batch, longest row].

    Token `labels` start one column before the first that counts in any row, and `logits_to_keep` is their number of
    columns, so that the model computes no logits that the loss ignores. Classes and task numbers become tensors
    [batch].
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._pad = tokenizer.pad_token_id

    def __call__(self, rows: list[dict[str, Any]]) -> Batch:
        longest = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, filler: int) -> Tensor:
            return torch.tensor([[filler] * (longest - len(row[name])) + list(row[name]) for row in rows])

        masks = [[0] * (longest - len(row["input_ids"])) + [1] * len(row["input_ids"]) for row in rows]
        batch: Batch = {"input_ids": padded("input_ids", self._pad), "attention_mask": torch.tensor(masks)}
        if "task" not in rows[0]:
            labels = padded("labels", IGNORED)
            kept = min(longest, longest - int((labels != IGNORED).any(0).int().argmax()) + 1)
            return batch | {"labels": labels[:, longest - kept :], "logits_to_keep": kept}
        return batch | {name: torch.tensor([row[name] for row in rows]) for name in ("labels", "task")}


def _columns(ids: list[list[int]], labels: list[Any], cut: list[bool]) -> dict[str, list[Any]]:
    return {"input_ids": ids, "labels": labels, "length": [len(row) for row in ids], CUT: cut}


def _check(scoring: str | None, loss_on: str | None, beams: int | None, wrapper: str, response: str) -> None:
    for name, text, field in (("wrapper", wrapper, "{instruction}"), ("response", response, "{answer}")):
        if str(text).count(field) != 1:
            raise RequestError(f"task.{name}={text!r} is not accepted: a text with {field} in it, once.")
    for name, value, accepted in (("scoring", scoring, SCORINGS), ("loss_on", loss_on, LOSSES)):
        if value not in accepted:
            raise RequestError(
                f"task.{name}={value} is not accepted with text.format=instruction."
                f" {did_you_mean(str(value), accepted)} protocol=paper sets all that belongs to instructions."
            )
    if isinstance(beams, bool) or not isinstance(beams, int) or beams < 1:
        raise RequestError(f"task.beams={beams} is not accepted: a whole number of 1 or more.")


SCORINGS: dict[str, Callable[..., Predict]] = {
    "generation": lambda tokenizer, answers, _, beams, marker: Generation(tokenizer, answers, beams, marker),
    "likelihood": lambda tokenizer, _, responses, *__: Likelihood(tokenizer, responses, per_token=False),
    "likelihood_per_token": lambda tokenizer, _, responses, *__: Likelihood(tokenizer, responses, per_token=True),
}
