import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.prompts import fit, render

ROW = {"ctx": "CONTEXT", "choices": {"text": ["one", "two"]}}


def test_a_template_reaches_into_columns():
    pieces = render("Q: {ctx}\nA: {choices[text][0]} B: {choices[text][1]}.", ROW)
    assert pieces == ["Q: ", "CONTEXT", "\nA: ", "one", " B: ", "two", "."]
    assert render("{ctx}", ROW) == ["", "CONTEXT", ""]


def test_braces_in_a_text_are_text():
    assert "".join(render("a {ctx} b", {"ctx": "{x} {0}"})) == "a {x} {0} b"


@pytest.mark.parametrize("template", ["{passage}", "{choices[text][5]}", "{choices[label]}"])
def test_a_template_that_does_not_fit_the_rows(template):
    with pytest.raises(RequestError, match="which its rows do not have"):
        render(template, ROW)


def test_what_fits_is_left_alone(llama):
    _, tokenizer = llama
    ids, cut = fit([["Q: ", "ab", "!"]], ["here"], tokenizer, 7)
    assert (tokenizer.decode(ids[0]), cut) == ("<s>Q: ab!", [False])


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (30, "Document: abcdefghij; x or yz?"),
        (28, "Document: abcdefgh; x or yz?"),
        (21, "Document: a; x or y?"),
        (20, "Document: a; x or y?"),
        (19, "Document: ;  or ?"),
    ],
)
def test_the_longest_text_is_cut_first(llama, room, text):
    _, tokenizer = llama
    ids, cut = fit([["Document: ", "abcdefghij", "; ", "x", " or ", "yz", "?"]], ["here"], tokenizer, room + 1)
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == text
    assert cut == [room < 30]


def test_a_text_that_ends_in_spaces_is_cut_to_the_end(llama):
    _, tokenizer = llama
    ids, _ = fit([["", "ab        ", ""]], ["here"], tokenizer, 2)
    assert len(ids[0]) == 2


def test_a_template_that_is_too_long_names_the_row(llama):
    _, tokenizer = llama
    with pytest.raises(RequestError, match=r"Row 3 of here needs more than the 8 tokens.*text.max_length"):
        fit([["a long template ", "x", "!"]], ["Row 3 of here"], tokenizer, 8)
