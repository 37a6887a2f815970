import json

import pandas as pd
import pytest

from frod_bench.errors import RequestError
from frod_bench.tasks.own.tables import read_table


@pytest.fixture
def read(tmp_path):
    def run(name, content, limit=2**20):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(file, limit)

    return run


def test_cells_hold_what_the_file_says(read):
    rows = read("a.csv", 'text,label\n"a, ""b""\nnext line",NA\nNone,\n1.50,007\n')
    assert rows["text"] == ['a, "b"\nnext line', "None", "1.50"]
    assert rows["label"] == ["NA", "", "007"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_that_a_file_names(read, encoding):
    mark = {"utf-16-le": "\ufeff"}.get(encoding, "")
    assert read("a.csv", f"{mark}text,label\nübel,1\n".encode(encoding)).to_dict() == {"text": ["übel"], "label": ["1"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text;label\na, b;1\n"),
        ("a.csv", "text\tlabel\na, b\t1\n"),
        ("a.csv", "text|label\na, b|1\n"),
        ("a.TSV", "text\tlabel\r\na, b\t1\r\n\r\n"),
        ("a.jsonl", '{"text": "a, b", "label": "1"}\n\n'),
        ("a.ndjson", '{"text": "a, b", "label": "1"}'),
        ("a.json", '[{"text": "a, b", "label": "1"}]'),
    ],
)
def test_forms_of_one_table(read, name, content):
    assert read(name, content).to_dict() == {"text": ["a, b"], "label": ["1"]}


def test_a_delimiter_within_quotes_is_none(read):
    assert read("a.csv", '"text, in full";"la ""b"", el"\n"a, b";1\n').column_names == ["text, in full", 'la "b", el']
    assert read("a.csv", '"text\n;;;",label\n"a; b",1\n').column_names == ["text\n;;;", "label"]


def test_records_need_not_be_alike(read):
    lines = [{"text": "a", "label": 1}, {"text": "b\u2028c", "label": "x", "more": [1]}, {"label": 2, "text": "d"}]
    rows = read("a.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    assert rows["text"] == ["a", "b\u2028c", "d"]
    assert rows["label"] == ["1", "x", "2"]


def test_numbers_beyond_64_bits_are_texts(read):
    assert read("a.jsonl", '{"label": 123456789012345678901}\n{"label": 2}')["label"] == ["123456789012345678901", "2"]


def test_a_long_row_and_many_rows(read):
    rows = read("a.csv", "text,label\n" + "\n".join(f"{'x' * 200_000},{row}" for row in range(12)))
    assert rows["label"] == [str(row) for row in range(12)]


def test_categories_of_pandas_are_plain(read, tmp_path):
    pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["x", "y"])}).to_parquet(tmp_path / "p.parquet")
    rows = read("q.parquet", (tmp_path / "p.parquet").read_bytes())
    assert rows["label"] == ["x", "y"] and "dictionary" not in str(rows.features["label"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,text\na,b\n", "two columns named 'text'"),
        ("a.csv", "text,label\na,1\nb\n", r"Row #3: Expected 2 columns, got 1.*in quotes"),
        ("a.csv", 'text,label\n"a,1\nb,2\n', "cannot be read as CSV"),
        ("a.csv", "", "is empty"),
        ("a.csv", "text,label\nok,0\nübel,1\n".encode("latin-1"), "not in UTF-8: line 3 holds the byte 0xfc"),
        ("a.csv", b"\xff\xfetext", "not in UTF-16|cannot be read"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", '{"text": "a", "text": "b"}', "the key 'text' twice"),
        ("a.json", "[1]", "row 0 is no record"),
        ("a.jsonl", '{"text": "\\ud800"}', "line 1 is not JSON"),
        ("a.parquet", "hello", "cannot be read as parquet"),
        ("a.xlsx", "x", r"accepted: \.csv, \.tsv"),
        ("a", "x", "no file of rows that can be read"),
    ],
)
def test_what_is_not_sound_is_refused(read, name, content, message):
    with pytest.raises(RequestError, match=message):
        read(name, content)
