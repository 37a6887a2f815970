"""The beginning of a long text: all that a model with a bounded context sees of it."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

_BREAK = re.compile(r"(?<=[0-9A-Za-z]) (?=[0-9A-Za-z])")  # between two words: no token is of both
_MARGIN = 8  # tokens there are more for those at the end, which another end could change
_CHARACTERS = 16  # a token, at first; more than nearly all have
_TOKENS = 4  # a character at most: bytes of UTF-8


def leading_text(text: str, tokenizer: PreTrainedTokenizerBase, tokens: int) -> str:
    """Return the beginning of a text that has the same first `tokens` tokens, and more than so many if the text has.

    It ends between two words; a text without such an end is returned as a whole, and so is one that loses its
    beginning when it is cut (`truncation_side` left).
    """
    end = _characters(tokens)
    while len(text) > end and tokenizer.truncation_side == "right" and (found := _BREAK.search(text, end)):
        start = text[: found.start()]
        if _count(start, tokenizer) > tokens + _MARGIN:
            return start
        end = 2 * found.start()
    return text


def leading_texts(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[str]:
    """Return one text, or the two of a pair, without what `tokenizer` cuts away anyhow at `max_length`.

    A tokenizer cuts the longer of a pair first, and of two that are both too long the longer one keeps a token more
    where the room is odd. So which of them is the longer stays as it is. (Left to itself it also makes every pair of
    the pieces that it cuts off: gigabytes for two texts of some thousand words.)
    """
    long = [len(text) > _characters(max_length) for text in texts]
    if not any(long):
        return list(texts)
    if all(long):
        short, *others = sorted(range(len(texts)), key=lambda place: _order(texts, place, tokenizer))
        found = list(texts)
        found[short] = leading_text(texts[short], tokenizer, max_length)
        for place in others:
            found[place] = leading_text(texts[place], tokenizer, _count(found[short], tokenizer))
        return found
    tokens = max([max_length, *(_TOKENS * len(text) for text, is_long in zip(texts, long, strict=True) if not is_long)])
    return [leading_text(text, tokenizer, tokens) for text in texts]


def _order(texts: Sequence[str], place: int, tokenizer: PreTrainedTokenizerBase) -> int:
    return _count(texts[place], tokenizer) if len(texts) > 1 else 0


def _count(text: str, tokenizer: PreTrainedTokenizerBase) -> int:
    return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _characters(tokens: int) -> int:
    return _CHARACTERS * (max(tokens, 0) + _MARGIN)
