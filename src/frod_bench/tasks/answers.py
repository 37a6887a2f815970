"""Which answer a generated text gives."""

from collections.abc import Sequence

UNMATCHED = -1
NUMBERED = tuple(f"answer{number}" for number in range(1, 6))


def first_answer(text: str, answers: Sequence[str]) -> int:
    """Return the place in `answers` of the one that occurs first in the text, `UNMATCHED` when none does.

    Of two that begin at the same place the longer one counts. As in LLM-Adapters' evaluation, capitals matter, and to
    a question with `NUMBERED` answers each of these is one, also where the question has fewer: `answer5, or answer1`
    answers a question of four, and not with answer1.
    """
    others = [word for word in NUMBERED if word not in answers] if set(answers) <= set(NUMBERED) else []
    known = [*answers, *others]
    found = [(at, -len(word), number) for number, word in enumerate(known) if (at := text.find(word)) >= 0]
    first = min(found)[2] if found else UNMATCHED
    return first if first < len(answers) else UNMATCHED
