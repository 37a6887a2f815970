"""Encode texts as token ids, and collate rows of token ids into padded batches."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.base import Batch, RowRequest
from frod_bench.tasks.leading_text import leading_texts

FORMATS = ("pair", "instruction")
CUT = "cut"  # the column that says whether a row lost tokens


def check_format(text: str | None) -> None:
    """Raise `RequestError` on an unknown text format."""
    if text not in FORMATS:
        raise RequestError(f"text.format={text} is not known. {did_you_mean(str(text), FORMATS)}")


def check_lengths(tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> tuple[int, int]:
    """Return the most tokens of a training row and of an evaluation row, which are the same unless both are given.

    Raises `RequestError` for what is no tokenizer, and for a length that its model cannot take.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise RequestError("The task has text, and the backbone reads images. Leave backbone= out, or name another.")
    least, most = tokenizer.num_special_tokens_to_add(pair=True) + 2, tokenizer.model_max_length

    def checked(key: str, value: int | None) -> int:
        if not isinstance(value, int) or not least <= value <= most:
            raise RequestError(f"text.{key}={value} is not accepted: a whole number of tokens, {least} to {most}.")
        return value

    length = checked("max_length", request.max_length)
    return length, length if request.eval_max_length is None else checked("eval_max_length", request.eval_max_length)


def encode(
    rows: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    *,
    fields: Sequence[str],
    label: str,
    instruction: str | None,
    max_length: int,
    desc: str,
) -> Dataset:
    """Return `rows` as token ids, truncated to `max_length`, with `labels`, `length` and `cut` and no other columns.

    Without an instruction, the one or two fields are tokenised as a single text or a pair, the longer truncated first.
    With an instruction, a row becomes one string with a line for the instruction, each field and "result: " (the format
    of GOAT, arXiv 2502.16894).
    """

    def encode_batch(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        texts = [batch[name] for name in fields]
        if instruction is not None:
            texts = [["\n".join((instruction, *row, "result: ")) for row in zip(*texts, strict=True)]]
        shortened = (leading_texts(row, tokenizer, max_length) for row in zip(*texts, strict=True))
        texts = [list(column) for column in zip(*shortened, strict=True)]
        encoded = tokenizer(*texts, truncation=True, max_length=max_length)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        cut = [False] * len(lengths)
        if full := [row for row, length in enumerate(lengths) if length == max_length]:
            uncut = tokenizer(*([column[row] for row in full] for column in texts), verbose=False)["input_ids"]
            for row, ids in zip(full, uncut, strict=True):
                cut[row] = len(ids) > max_length
        return {**encoded, "labels": batch[label], "length": lengths, CUT: cut}

    return rows.map(encode_batch, batched=True, remove_columns=rows.column_names, desc=desc)


class PadToLongest:
    """Collate rows of token ids: tensors [batch, longest row of the batch], `labels` [batch]."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._pad = DataCollatorWithPadding(tokenizer)

    def __call__(self, rows: list[dict[str, Any]]) -> Batch:
        inputs = [{name: value for name, value in row.items() if name != "length"} for row in rows]
        return dict(self._pad(inputs))
