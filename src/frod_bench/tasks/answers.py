"""Find the answer in a generated text."""

from collections.abc import Sequence

UNMATCHED = -1
NUMBERED = tuple(f"answer{number}" for number in range(1, 6))


def first_answer(text: str, answers: Sequence[str]) -> int:
    """Return the index in `answers` of the one that occurs first in the text, or `UNMATCHED` when none does.

    Of two answers at the same position the longer one counts. As in LLM-Adapters' evaluation, matching is
    case-sensitive. For a question with `NUMBERED` answers, all five count even if the question has fewer: `answer5, or
    answer1` is no match for a question with four answers.
    """
    others = [word for word in NUMBERED if word not in answers] if set(answers) <= set(NUMBERED) else []
    known = [*answers, *others]
    found = [(at, -len(word), number) for number, word in enumerate(known) if (at := text.find(word)) >= 0]
    first = min(found)[2] if found else UNMATCHED
    return first if first < len(answers) else UNMATCHED
