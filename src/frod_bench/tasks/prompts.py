"""A row's columns as one prompt, and prompts as token ids that fit the context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError


@dataclass(frozen=True)
class Prompt:
    """A template in Python's format notation, `{endings[0]}` or `{choices[text][0]}` being entries of a column.

    `cut` names the column that may lose its end where a prompt is too long; None: no column may.
    """

    template: str
    cut: str | None = None

    def render(self, row: Mapping[str, Any]) -> tuple[str, int, int]:
        """Return the prompt, and where in it the column that may be cut begins and ends (0, 0 for none).

        Raises `RequestError` when the template speaks of a column that the row has not.
        """
        before, field, after = self.template.partition(f"{{{self.cut}}}")
        try:
            start, text, rest = before.format(**row), field.format(**row), after.format(**row)
        except (KeyError, IndexError) as error:
            raise RequestError(f"The prompt of the task speaks of {error}, which its rows have not.") from error
        return start + text + rest, len(start), len(start) + len(text)


@dataclass(frozen=True)
class Question:
    """A prompt, the span of it that may be cut, and where it comes from ("Row 3 of google/boolq/default/train")."""

    prompt: str
    cut_from: int
    cut_to: int
    origin: str


def fit(
    questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase, room: int
) -> tuple[list[list[int]], list[bool]]:
    """Return the token ids of every prompt, at most `room` of them, and whether it was cut for that.

    A cut takes tokens from the end of the span, so that the options and the question stay whole. Raises
    `RequestError`, naming the row, when cutting the whole span is not enough.
    """
    encoded = tokenizer([question.prompt for question in questions], return_attention_mask=False)["input_ids"]
    cut = [len(ids) > room for ids in encoded]
    short = [
        _shortened(question, ids, tokenizer, room) if too_long else ids
        for question, ids, too_long in zip(questions, encoded, cut, strict=True)
    ]
    return short, cut


def _shortened(question: Question, ids: list[int], tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
    needed, text, rest = len(ids), question.prompt[: question.cut_to], question.prompt[question.cut_to :]
    while len(ids) > room:
        offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
        drop = len(ids) - room
        end = offsets[-drop][0] if drop <= len(offsets) else 0
        if end < question.cut_from or len(text) <= question.cut_from:
            raise RequestError(
                f"{question.origin} needs {needed} tokens where {room} have room, and what may be cut of it is not "
                "enough. Raise text.max_length, or take that row out."
            )
        text = text[:end]
        ids = tokenizer(text + rest, return_attention_mask=False)["input_ids"]
    return ids
