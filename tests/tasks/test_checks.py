import pytest
from datasets import ClassLabel, Dataset, Features, Value

from frod_bench.errors import RequestError
from frod_bench.tasks.checks import check_rows

WHERE = "nyu-mll/glue/toy/train"


def rows(texts=("a", "b", "c"), labels=(0, 1, 1), **features):
    columns = {"text": list(texts), "label": list(labels)}
    kinds = {"text": Value("string"), "label": Value("int64"), **features}
    return Dataset.from_dict(columns, features=Features(kinds))


def check(dataset):
    check_rows(dataset, WHERE, ["text"], "label", ["no", "yes"])


@pytest.mark.parametrize("kind", [Value("int64"), Value("int8"), ClassLabel(names=["no", "yes"])])
def test_good_rows_pass(kind):
    check(rows(label=kind))


def test_pandas_strings_pass():
    check(rows(text=Value("large_string")))


def test_empty_split():
    with pytest.raises(RequestError, match=f"{WHERE} has no rows"):
        check(rows((), ()))


def test_missing_column_names_what_is_there():
    with pytest.raises(RequestError, match="no column text; its columns are sentence, label"):
        check(rows().rename_column("text", "sentence"))


def test_null_text_names_row_and_column():
    with pytest.raises(RequestError, match=f"Row 1 of {WHERE} has no value in column text"):
        check(rows(texts=("a", None, "c")))


def test_null_label_names_row():
    with pytest.raises(RequestError, match=f"Row 2 of {WHERE} has no value in column label"):
        check(rows(labels=(0, 1, None)))


@pytest.mark.parametrize("bad", [-1, 2])
def test_label_out_of_range_names_row_value_and_range(bad):
    with pytest.raises(RequestError, match=f"Row 1 of {WHERE} has label {bad}; accepted: 0 to 1"):
        check(rows(labels=(0, bad, 1)))


def test_bad_row_is_numbered_as_in_the_selection_it_was_given():
    chosen = rows(labels=(0, 1, -1)).select([2, 0])
    with pytest.raises(RequestError, match=r"Row 0 .* has label -1"):
        check(chosen)


@pytest.mark.parametrize("labels, kind", [(("no", "yes", "no"), "string"), ((0.0, 1.0, 1.0), "float64")])
def test_label_of_wrong_type(labels, kind):
    with pytest.raises(RequestError, match=f"is of type {kind}; accepted: whole numbers 0 to 1"):
        check(rows(labels=labels, label=Value(kind)))


def test_text_of_wrong_type():
    with pytest.raises(RequestError, match=r"Column text .* is of type int64; accepted: string"):
        check(rows(texts=(1, 2, 3), text=Value("int64")))


def test_classes_in_another_order():
    with pytest.raises(RequestError, match="has the classes yes, no; accepted, in this order: no, yes"):
        check(rows(label=ClassLabel(names=["yes", "no"])))
