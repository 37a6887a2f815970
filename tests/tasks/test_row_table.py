"""Rows that a user brings: what is read, and the sentence for what is not."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.own.tables import read_table
from frod_bench.tasks.row_table import RowTable, from_records, read_row_table


def test_a_csv_of_a_spreadsheet(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes('\ufefftext,n\r\n"a, ""b""\r\nc",1\r\n,2\r\n'.encode())
    table = read_row_table(file)
    assert table.texts("text") == ['a, "b"\r\nc', ""]
    assert list(table.columns["n"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,n\na,b,c\n", "a.csv cannot be read as CSV: .*Expected 2 columns, got 3"),
        ("a.csv", b"text,n\na\n", "Expected 2 columns, got 1"),
        ("a.csv", b"text,text\na,b\n", "two columns named .text"),
        ("a.csv", b"text\n", "has no rows"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text\n\xff\n", "is not in UTF-8: line 2 holds the byte 0xff"),
        ("a.jsonl", b'{"a": 1}\n[2]\n', "a.jsonl: row 1 is no record"),
        ("a.jsonl", b"{", "line 1 is not JSON"),
        ("a.json", b'[{"a": NaN}]', "NaN is no JSON number"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
        ("a.pickle", b"x", "is of no known kind"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=message):
        read_row_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"text;n\na, b;1\n"),
        ("a.csv", 'text,n\n"a, b",1\n'.encode("utf-16")),
        ("a.ndjson", b'{"text": "a, b", "n": "1"}\n'),
    ],
)
def test_whatever_trains_can_be_predicted(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    table = read_row_table(tmp_path / name)
    assert table.columns == {"text": ["a, b"], "n": ["1"]} == read_table(tmp_path / name, 1000).to_dict()


def test_a_folder_without_images(tmp_path):
    with pytest.raises(RequestError, match="holds no images"):
        read_row_table(tmp_path)


def labels(values, classes=None, accepted=range(2), names=("not_ok", "OK")):
    return RowTable("rows", {"label": values}, {} if classes is None else {"label": classes}).class_ids(
        "label", accepted, names
    )


def test_labels_by_number_name_and_metadata():
    assert labels([0, 1, -1, None, "", "-1"]) == [0, 1, None, None, None, None]
    assert labels(["Not OK", "ok", "1", "0"]) == [0, 1, 1, 0]
    assert labels([1, 0], classes=["ok", "not ok"]) == [0, 1]  # a file that numbers them the other way
    assert labels([1, 0], classes=["no", "yes"]) == [1, 0]  # the same classes in other words
    assert labels([True, False, "true"], accepted=[False, True], names=["false", "true"]) == [1, 0, 1]
    assert labels(["B", 0], classes=["A", "B"], accepted=["A", "B"], names=["answer1", "answer2"]) == [1, 0]
    assert RowTable("rows", {"text": ["a"]}).class_ids("label", range(2), ["a", "b"]) == [None]
    for wrong in (2, -2, "2", "-1.0", "maybe", 0.5, [0], b"x"):
        with pytest.raises(RequestError, match=r"Row 1 of rows has label .*; the classes are not_ok, OK"):
            labels([0, wrong])


def test_the_hubs_class_names_are_read(tmp_path):
    features = {
        "info": {"features": {"label": {"names": ["b", "a"], "_type": "ClassLabel"}, "text": {"_type": "Value"}}}
    }
    schema = pa.schema([("label", pa.int64())], metadata={"huggingface": json.dumps(features)})
    pq.write_table(pa.table({"label": [0, 1]}, schema=schema), tmp_path / "a.parquet")
    table = read_row_table(tmp_path / "a.parquet")
    assert table.class_ids("label", range(2), ["a", "b"]) == [1, 0]


def test_images_as_bytes_records_and_paths(tmp_path):
    (tmp_path / "a.png").write_bytes(b"file")
    records = [{"image": b"raw"}, {"image": {"bytes": b"hub", "path": "x/y.png"}}, {"image": "a.png"}, {"image": 3}]
    images = from_records(records, folder=tmp_path).images("image")
    assert [images[row] for row in range(3)] == [b"raw", b"hub", b"file"]
    assert images.named() == ["", "x/y.png", "a.png", ""]
    with pytest.raises(RequestError, match="Row 3 of the rows, column image holds no image file"):
        images[3]
