"""Which answer a generated text gives."""

from collections.abc import Sequence

UNMATCHED = -1


def first_answer(text: str, answers: Sequence[str]) -> int:
    """Return the place in `answers` of the one that occurs first in the text, `UNMATCHED` when none does.

    Of two that begin at the same place the longer one counts. As in LLM-Adapters' evaluation, capitals matter.
    """
    found = [(at, -len(answer), number) for number, answer in enumerate(answers) if (at := text.find(answer)) >= 0]
    return min(found)[2] if found else UNMATCHED
