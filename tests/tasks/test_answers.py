import itertools
import re

import pytest

from frod_bench.tasks.answers import UNMATCHED, first_answer

WORDS = ["answer1", "answer2"]


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("the correct answer is answer2", WORDS, 1),
        ("answer2, not answer1", WORDS, 1),
        ("answer1answer2", WORDS, 0),
        ("Answer1", WORDS, UNMATCHED),
        ("", WORDS, UNMATCHED),
        ("the correct answer is answer3", WORDS, UNMATCHED),
        ("answer3, or answer1", WORDS, UNMATCHED),
        ("answer4, or answer1", ["answer1", "answer2", "answer3"], UNMATCHED),
        ("answer5, or answer1", ["answer1", "answer2", "answer3", "answer4"], UNMATCHED),
        ("answer6, or answer1", WORDS, 0),
        ("answer3, or true", ["false", "true"], 1),
        ("ending5, or ending1", ["ending1", "ending2", "ending3", "ending4"], 0),
        ("answer12", ["answer1", "answer12"], 1),
        ("it is true", ["false", "true"], 1),
    ],
)
def test_first_answer(text, answers, found):
    assert first_answer(text, answers) == found


@pytest.mark.parametrize("size", [3, 4, 5])
def test_numbered_answers_are_read_as_by_llm_adapters_pattern(size):
    answers = [f"answer{n}" for n in range(1, size + 1)]
    texts = [f"it is {a}, not {b}" for a, b in itertools.permutations([f"answer{n}" for n in range(8)], 2)]
    for text in texts:
        words = re.findall("answer1|answer2|answer3|answer4|answer5", text)
        right = answers.index(words[0]) if words and words[0] in answers else UNMATCHED
        assert first_answer(text, answers) == right
