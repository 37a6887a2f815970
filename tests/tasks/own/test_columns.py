import pytest
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.own.columns import image_column, label_column, text_columns
from frod_bench.tasks.own.named_rows import NamedRows


def table(*names):
    return NamedRows(Dataset.from_dict({name: ["x"] for name in names}), [("a.csv", 1)])


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("id", "text", "label"), ["text"]),
        (("words", "label"), ["words"]),
        (("Review", "id", "label"), ["Review"]),
        (("sentence2", "sentence1", "id", "label"), ["sentence1", "sentence2"]),
    ],
)
def test_names_that_leave_no_doubt(names, text):
    assert label_column(table(*names), None) == "label"
    assert text_columns(table(*names), None, "label") == text


@pytest.mark.parametrize("names", [("a", "b", "label"), ("text", "review", "label"), ("label",)])
def test_names_that_leave_a_choice(names):
    with pytest.raises(RequestError, match=rf"type task\.text=\[COLUMN\]\. Its columns are {', '.join(names)}\."):
        text_columns(table(*names), None, "label")


def test_labels_are_never_guessed():
    with pytest.raises(RequestError, match=r"Which column of a\.csv holds the label\?.*type task\.label=COLUMN"):
        label_column(table("text", "stars"), None)
    with pytest.raises(RequestError, match="Label and class may be meant"):
        label_column(table("text", "label", "class"), None)


def test_a_file_without_a_header_does_not_fill_the_screen():
    with pytest.raises(RequestError, match=r"its columns are x{39}…, good\.") as caught:
        label_column(table("x" * 5000, "good"), "stars")
    assert len(str(caught.value)) < 200
    with pytest.raises(RequestError, match=r"column19 and 5 more\."):
        label_column(table(*(f"column{n}" for n in range(25))), "stars")


def test_a_column_that_is_missing():
    with pytest.raises(RequestError, match=r"task\.label names star, .*columns are text, stars\. Did you mean stars"):
        label_column(table("text", "stars"), "star")
    with pytest.raises(RequestError, match=r"task\.text names body"):
        text_columns(table("text", "stars"), ["text", "body"], "stars")
    with pytest.raises(RequestError, match=r"No column of a\.csv holds images; its columns are text, label\."):
        image_column(table("text", "label"), None, "label")
