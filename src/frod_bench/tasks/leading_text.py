"""The start of a long text: all that a model with a bounded context sees of it."""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

_BREAK = re.compile(r"(?<=[0-9A-Za-z]) (?=[0-9A-Za-z])")  # between two words: no token spans both
_MARGIN = 8  # extra tokens, since cutting a text can change its last tokens
_CHARACTERS = 16  # per token at first; nearly all tokens have fewer
_TOKENS = 4  # per character at most: the bytes of UTF-8


def leading_text(text: str, tokenizer: PreTrainedTokenizerBase, tokens: int) -> str:
    """Return the start of a text, with the same first `tokens` tokens, and with more tokens than that if the text has.

    It ends between two words. A text without such a place is returned unchanged, and so is every text when the
    tokenizer truncates on the left.
    """
    end = _characters(tokens)
    while len(text) > end and tokenizer.truncation_side == "right" and (found := _BREAK.search(text, end)):
        start = text[: found.start()]
        if _count(start, tokenizer) > tokens + _MARGIN:
            return start
        end = 2 * found.start()
    return text


def leading_texts(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[str]:
    """Return one text, or the two of a pair, without the ends that `tokenizer` would truncate at `max_length` anyway.

    A tokenizer truncates the longer text of a pair first, and if both are too long, the longer keeps one token more
    where the room is odd. So the longer text stays the longer one. (On its own, the tokenizer also builds every pair of
    the pieces that it cuts off: gigabytes for two texts of a few thousand words.)
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
