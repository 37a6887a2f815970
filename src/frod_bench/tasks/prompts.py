"""Turn a row's columns into a prompt, and prompts into token ids that fit the context."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError
from frod_bench.tasks.leading_text import leading_text

# A prompt: words of the template and texts of columns in turn, starting and ending with words.
Pieces = list[str]


def render(template: str, row: Mapping[str, Any]) -> Pieces:
    """Return the prompt of a row by a template in Python's format notation: `{ctx}`, `{choices[text][0]}`.

    Raises `RequestError` when the template names something that the row does not have.
    """
    pieces, words = [], ""
    try:
        for literal, field, *_ in Formatter().parse(template):
            words += literal
            if field is not None:
                pieces += [words, f"{{{field}}}".format(**row)]
                words = ""
    except (KeyError, IndexError) as error:
        raise RequestError(f"The prompt of the task names {error}, which its rows do not have.") from error
    return [*pieces, words]


def fit(
    prompts: Sequence[Pieces], origins: Sequence[str], tokenizer: PreTrainedTokenizerBase, room: int
) -> tuple[list[list[int]], list[bool]]:
    """Return at most `room` token ids for every prompt, and whether the prompt was cut.

    The texts of columns are cut at their ends, longest first and down to a common length, so that the question and all
    options stay. Raises `RequestError`, starting with the prompt's origin, when the template alone is too long.
    """
    prompts = [
        [leading_text(piece, tokenizer, room) if place % 2 else piece for place, piece in enumerate(prompt)]
        for prompt in prompts
    ]
    encoded = tokenizer(["".join(prompt) for prompt in prompts], return_attention_mask=False)["input_ids"]
    cut = [len(ids) > room for ids in encoded]
    short = [
        _shortened(list(prompt), origin, tokenizer, room) if too_long else ids
        for prompt, origin, ids, too_long in zip(prompts, origins, encoded, cut, strict=True)
    ]
    return short, cut


def _shortened(pieces: Pieces, origin: str, tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
    while len(ids := tokenizer("".join(pieces), return_attention_mask=False)["input_ids"]) > room:
        starts = {at: _token_starts(pieces[at], tokenizer) for at in range(1, len(pieces), 2)}
        lengths = [len(of_text) for of_text in starts.values()]
        keep = sum(lengths) - (len(ids) - room)  # tokens of all texts together
        if keep < 0:
            raise RequestError(
                f"{origin} needs more than the {max(room, 0)} tokens there are for its prompt, even with all of its "
                "texts cut away. Raise text.max_length."
            )
        most = max(n for n in range(max(lengths)) if sum(min(n, length) for length in lengths) <= keep)
        for at, of_text in starts.items():
            if len(of_text) > most:
                # a token of white space may be said to start at the very end
                pieces[at] = pieces[at][: min(of_text[most], len(pieces[at]) - 1)]
    return ids


def _token_starts(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the character position at which each token of the text starts."""
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    return [start for start, _ in encoded["offset_mapping"]]
