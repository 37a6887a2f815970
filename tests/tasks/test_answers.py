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
        ("answer12", ["answer1", "answer12"], 1),
        ("it is true", ["false", "true"], 1),
    ],
)
def test_first_answer(text, answers, found):
    assert first_answer(text, answers) == found
