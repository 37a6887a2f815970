"""The ways a command ends early, and the hint for an unknown name."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_LONGEST_NAME, _MOST_NAMES = 40, 20


class RequestError(Exception):
    """The request is wrong or cannot be met; the command exits with code 2.

    The message names the value, what would be accepted and what to type.
    """


class RunFailure(Exception):
    """The run itself failed (a NaN loss, out of memory); the command exits with code 1."""


class Diverged(RunFailure):
    """The loss or the outputs became NaN or infinite: with these rates, the run cannot end otherwise."""

    MARK = "Training diverged. "

    def __init__(self, message: str):
        super().__init__(message if message.startswith(self.MARK) else self.MARK + message)


class OutOfMemory(RunFailure):
    """Memory ran out; `key` names the setting of `train`, if any, whose change may make the run fit."""

    def __init__(self, message: str, key: str | None = None):
        super().__init__(message)
        self.key = key


class Interrupted(BaseException):
    """A signal ended the run after a checkpoint; the command exits with 128 + the signal's number, as shells do."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum

    def __reduce__(self) -> tuple:  # a launcher's worker pickles it for the waiting process
        return type(self), (str(self), self.signum)


def listed(names: Iterable[str]) -> str:
    """Return names from a file as a list in a message: long ones are cut, and so is a long list."""
    cut = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names]
    more = len(cut) - _MOST_NAMES
    return ", ".join(cut[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a sentence that offers the names closest to `word`, or all of them when none is close."""
    names = sorted(choices)
    accepted = f"Accepted: {', '.join(names)}." if names else ""
    return offer_close(word, names) or accepted


def offer_close(word: str, names: Sequence[str]) -> str:
    """Return a sentence that offers up to three names close to `word`, empty when none is close."""
    close = get_close_matches(word, names, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else ""
