import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from frod_bench.errors import RequestError
from frod_bench.tasks.schema import check_row, class_ids, features_of, require_columns

KEYS = ["A", "B", "C"]
COLUMNS = {"stem": "text", "choices": {"text": ["text"], "label": ["key"]}}
ROW = {"stem": "s", "choices": {"text": ["x", "y", "z"], "label": ["A", "B", "C"]}}


def test_columns_become_a_schema():
    assert features_of(COLUMNS, "answer", KEYS) == Features(
        stem=Value("string"),
        choices={
            "text": List(Value("string"), length=3),
            "label": List(ClassLabel(names=KEYS), length=3),
        },
        answer=ClassLabel(names=KEYS),
    )


@pytest.mark.parametrize(
    ("values", "labels", "classes"),
    [
        (["1", "2"], ["2", "1", "2"], [1, 0, 1]),
        ([False, True], [True, False, False], [1, 0, 0]),
        ([0, 1], [1, 1, 0], [1, 1, 0]),
        (["A", "B"], ["B", "B", "A"], [1, 1, 0]),
    ],
)
def test_every_spelling_of_a_label_has_its_class(values, labels, classes):
    assert class_ids(Dataset.from_dict({"label": labels}), "label", values, "here") == classes


def test_a_class_label_column_is_read_by_its_names():
    rows = Dataset.from_dict({"y": [1, 0]}, features=Features(y=ClassLabel(names=["0", "1"])))
    assert class_ids(rows, "y", [0, 1], "here") == [1, 0]
    with pytest.raises(RequestError, match="has the classes 0, 1; accepted, in this order: no, yes"):
        class_ids(rows, "y", ["no", "yes"], "here")


@pytest.mark.parametrize(
    ("labels", "values", "message"),
    [
        (["1", "5", "1"], ["1", "2"], "Row 1 of here has label '5'; accepted: '1', '2'"),
        (["1", "2", ""], ["1", "2"], "Row 2 of here has label ''"),
        ([1, 2], ["1", "2"], "Row 0 of here has label 1;"),
        ([0, -1], [0, 1], "Row 1 of here has label -1; accepted: 0, 1"),
        (["A", None], ["A", "B"], "Row 1 of here has label None"),
    ],
)
def test_a_label_outside_the_list_is_named_with_its_row(labels, values, message):
    with pytest.raises(RequestError, match=message):
        class_ids(Dataset.from_dict({"label": labels}), "label", values, "here")


def test_an_empty_split_and_a_missing_column():
    with pytest.raises(RequestError, match="here has no rows"):
        class_ids(Dataset.from_dict({"label": []}), "label", ["1"], "here")
    with pytest.raises(RequestError, match="here has no column ctx; its columns are label"):
        require_columns(Dataset.from_dict({"label": ["1"]}), ["ctx", "label"], "here")


def test_a_whole_row_passes():
    check_row(ROW, COLUMNS, KEYS, "Row 0 of here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": None}, "Row 7 of here: column stem is None; accepted: a text"),
        ({"choices": {"text": ["x", "y", "z"]}}, "column choices is .* a record of text and label"),
        ({"choices": {"text": ["x", "y"], "label": KEYS}}, "column choices.text is .* a list of 3 entries"),
        ({"choices": {"text": ["x", None, "z"], "label": KEYS}}, r"column choices.text\[1\] is None"),
        ({"choices": {"text": ["x", "y", "z"], "label": ["B", "A", "C"]}}, "in this order: A, B, C"),
        ({"choices": "x"}, "column choices is 'x'"),
    ],
)
def test_a_broken_row_is_named(change, message):
    with pytest.raises(RequestError, match=message):
        check_row(ROW | change, COLUMNS, KEYS, "Row 7 of here")
