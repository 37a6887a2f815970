import json
import shutil
from dataclasses import replace

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.own.places import content_of
from frod_bench.tasks.own_text import OwnTextTask
from frod_bench.tasks.sources.own import OwnSource

WHOLE = RowRequest(text="pair", max_length=16)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Returns a function (name, rows) that writes (text, label) rows as CSV."""
    monkeypatch.chdir(tmp_path)

    def save(name, rows, header="text,label"):
        (tmp_path / name).write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")

    save("train.csv", [("one two" if row % 2 else "three", str(row % 2)) for row in range(20)])
    save("valid.csv", [("two", "1"), ("three", "0"), ("one", "1")])
    return save


@pytest.fixture
def load(tokenizer):
    """Returns a function (task options, **request) -> TaskData."""

    def run(options=(), root=None, max_row_bytes=2**20, **request):
        task = make(**dict(options))
        return task.load(OwnSource(root, max_row_bytes), tokenizer, replace(WHOLE, **request))

    return run


def make(train="train.csv", eval=None, **options):
    content = {"train": content_of(train, "task.train"), "eval": content_of(eval, "task.eval")}
    given = {"name": "own/text", "suite": "own", "metrics": ["accuracy"]} | options
    return OwnTextTask(train=train, eval=eval, content=content, **given)


def test_rows_without_evaluation_rows_are_divided(write, load):
    data = load()
    assert data.samples == {"train": 16, "eval": 4}
    assert data.label_names == data.provenance["classes"] == ["0", "1"] and data.num_labels == 2
    assert list(data.row_ids["evaluation"]) == [8, 9, 18, 19]  # numbers of rows in the file
    assert data.evaluation["evaluation"]["labels"] == [0, 1, 0, 1]
    assert "rows 4, 9, 14, … in file order evaluate" in data.provenance["note"]
    assert "4 of 4 evaluation rows repeat the text of a training row" in data.provenance["note"]


def test_the_record_says_what_was_read_and_from_where_without_folders(write, load, tmp_path):
    data = load({"train": str(tmp_path / "train.csv"), "eval": "valid.csv"})
    assert data.samples == {"train": 20, "eval": 3}
    own = data.provenance
    assert (own["source"], own["files"]) == ("own", "train.csv, valid.csv")
    assert own["columns"] == {"text": ["text"], "label": "label"}
    assert own["fingerprint"].split()[1] == content_of("valid.csv", "task.eval")
    assert own["note"] == "1 of 3 evaluation rows repeat the text of a training row"
    assert str(tmp_path) not in json.dumps(own)


def test_a_trial_does_not_read_evaluation_rows(write, load, tmp_path):
    task = make(eval="valid.csv")
    (tmp_path / "valid.csv").write_text("broken")
    with pytest.raises(RequestError, match=r"task\.eval=valid\.csv is not what it was when this run was made"):
        task.load(OwnSource(None, 2**20), None, WHOLE)
    write("valid.csv", [("", "9")])
    assert load({"eval": "valid.csv"}, evaluation=False).samples["eval"] == 0


def test_limits_and_hold_outs_are_those_of_every_task(write, load):
    data = load({"eval": "valid.csv"}, max_train=8, max_eval=2, holdout=4, more_eval=4)
    assert data.samples == {"train": 8, "eval": 6, "holdout": 4}
    divided = load(more_eval=4)
    ids = list(divided.row_ids["evaluation"])
    assert divided.samples == {"train": 12, "eval": 8} and len(set(ids)) == 8


def test_two_columns_and_an_instruction(write, load, tokenizer):
    write("pairs.csv", [("one", "two", "y"), ("two", "one", "n")] * 5, header="a,b,answer")
    options = {"train": "pairs.csv", "text": ["a", "b"], "label": "answer"}
    data = load(options)
    one, two = (tokenizer.convert_tokens_to_ids(word) for word in ("one", "two"))
    assert data.train[0]["input_ids"] == tokenizer("one", "two")["input_ids"]
    assert [one, two] == [ids for ids in data.train[0]["input_ids"] if ids in (one, two)]
    instructed = load(options | {"instruction": "judge them:"}, text="instruction")
    assert instructed.train[0]["input_ids"] == tokenizer("judge them:\none\ntwo\nresult: ")["input_ids"]
    with pytest.raises(RequestError, match=r"needs task\.instruction="):
        load(options, text="instruction")


def test_several_files_are_one_table(write, load):
    write("part-1.csv", [("one", "x"), ("two", "y")] * 3)
    write("part-2.csv", [("one", "x"), ("two", "y"), ("", "y")] * 2)
    with pytest.raises(RequestError, match=r"Row 2 of part-2\.csv \(row 0.*\) has no text in column text \(2 rows"):
        load({"train": "part-*.csv"})
    write("part-2.csv", [("one", "x"), ("two", "y")] * 2)
    assert load({"train": ["part-1.csv", "part-2.csv"]}).samples == {"train": 8, "eval": 2}
    write("part-2.csv", [("one", "x")], header="text,stars")
    with pytest.raises(RequestError, match=r"part-2\.csv has the columns text, stars, and part-1\.csv has"):
        load({"train": "part-*.csv"})


def test_a_data_set_of_the_hub_from_a_local_copy(write, load, tmp_path):
    folder = tmp_path / "copies/somebody/films/default"
    folder.mkdir(parents=True)
    features = Features(text=Value("string"), label=ClassLabel(names=["good", "bad"]))
    for split in ("train", "test"):
        columns = {"text": ["one", "two"] * 4, "label": [1, 0] * 4}
        Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}.parquet")
    options = {"train": "hub:somebody/films", "eval": "hub:somebody/films:test"}
    data = load(options, root=tmp_path / "copies")
    assert data.label_names == ["good", "bad"] and data.train["labels"][:2] == [1, 0]
    assert data.provenance["files"] == "hub:somebody/films:train, hub:somebody/films:test"
    assert data.provenance["fingerprint"].startswith("sha256:")
    with pytest.raises(RequestError, match=r"data\.root=.* is not read with task\.train=train\.csv, a file"):
        load(root=tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "train.csv has no rows"),
        ([("one", "a")] * 6, "one class only, 'a'"),
        ([("one", "a"), ("two", "b")], "fewer than 5 rows of each class"),
        ([("one", "a"), ("two", "")], r"Row 1 of train\.csv .* has no label in column label"),
        ([(" ", "a"), ("two", "b")], r"Row 0 of train\.csv .* has no text in column text"),
        (
            [("x" * 2000, "a"), ("two", "b")],
            r"Row 0 of train\.csv .* holds 2,000 bytes in column text; accepted: 1,000",
        ),
    ],
)
def test_rows_that_are_refused(write, load, rows, message):
    write("train.csv", rows)
    with pytest.raises(RequestError, match=message):
        load(max_row_bytes=1000)


def test_evaluation_rows_that_are_refused(write, load):
    write("valid.csv", [("one", "0"), ("one", "2")])
    with pytest.raises(RequestError, match=r"Row 1 of valid\.csv .* has the label '2' .*no training row has"):
        load({"eval": "valid.csv"})
    write("valid.csv", [("one", "0")], header="text,stars")
    with pytest.raises(RequestError, match=r"Which column of valid\.csv holds the label"):
        load({"eval": "valid.csv"})
    shutil.copy("train.csv", "copy.csv")
    with pytest.raises(RequestError, match=r"task\.eval holds the same rows as task\.train"):
        load({"eval": "copy.csv"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": []}, r"task\.text=\[\] is not accepted"),
        ({"text": ["a", "b", "c"]}, "one column of text or two"),
        ({"text": 3}, r"task\.text=3 is not accepted"),
        ({"label": ["a"]}, r"task\.label=\['a'\] is not accepted"),
        ({"text": "text", "label": "text"}, r"the name of one column, not one of task\.text"),
        ({"metrics": []}, r"task\.metrics is empty"),
    ],
)
def test_options_that_are_refused(write, options, message):
    with pytest.raises(RequestError, match=message):
        make(**options)


def test_a_column_that_holds_no_texts(write, load, tmp_path):
    Dataset.from_dict({"text": [1, 2], "label": [0, 1]}).to_parquet(tmp_path / "n.parquet")
    with pytest.raises(RequestError, match=r"Column text of n\.parquet is of type int64; accepted: texts"):
        load({"train": "n.parquet"})
