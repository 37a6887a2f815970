import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Features

from frod_bench.errors import RequestError
from frod_bench.tasks import parquet
from frod_bench.tasks.sources.local import LocalSource


def read(root, config="toy", split="train"):
    return LocalSource(root).read("nyu-mll/glue", config, split, None)


def test_rows_and_features(data_root):
    rows = read(data_root)
    assert len(rows) == 40 and rows[0] == {"left": "one two", "right": "three", "label": 1, "idx": 0}
    assert rows.features["label"].names == ["no", "yes"]


def test_nothing_is_written(data_root, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    rows = read(data_root)
    rows.map(lambda row: {"more": 1})
    assert rows.cache_files == [] and sorted(tmp_path.rglob("*")) == before


def test_fingerprint_is_of_the_contents_and_not_of_the_place(data_root, tmp_path, toy_rows):
    def fingerprint(root):
        source = LocalSource(root)
        source.read("nyu-mll/glue", "toy", "train", None)
        return source.provenance()

    copy = shutil.copytree(data_root, tmp_path / "copy")
    assert fingerprint(copy) == fingerprint(data_root)
    toy_rows(39).to_parquet(copy / "nyu-mll/glue/toy/train.parquet")
    assert fingerprint(copy) != fingerprint(data_root)


def test_missing_root(tmp_path):
    with pytest.raises(RequestError, match="nowhere does not exist"):
        LocalSource(tmp_path / "nowhere")


def test_root_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="file is not a directory"):
        LocalSource(tmp_path / "file")


def test_no_root():
    with pytest.raises(RequestError, match=r"data\.root=DIR"):
        LocalSource(None)


def test_missing_split_names_those_there(data_root):
    with pytest.raises(RequestError, match="there: train, validation_matched, validation_mismatched"):
        read(data_root, split="test")


def test_missing_config(data_root):
    with pytest.raises(RequestError, match=r"cola.train\.parquet; the splits there: none"):
        read(data_root, config="cola")


def test_truncated_file(data_root):
    path = data_root / "nyu-mll/glue/toy/train.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RequestError, match="cannot be read as parquet"):
        read(data_root)


def test_empty_file(data_root):
    (data_root / "nyu-mll/glue/toy/train.parquet").write_bytes(b"")
    with pytest.raises(RequestError, match="cannot be read as parquet"):
        read(data_root)


@pytest.mark.parametrize("config", ["../../../other/nyu-mll/glue/toy", "/etc"])
def test_config_stays_inside_the_root(data_root, config):
    with pytest.raises(RequestError, match=r"lies outside data\.root"):
        read(data_root, config=config)


def test_a_list_of_records_is_read_where_there_is_no_parquet(tmp_path):
    folder = tmp_path / "commonsense170k/boolq"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text('[{"instruction": "q", "answer": "true"}]')
    source = LocalSource(tmp_path)
    assert source.read("commonsense170k", "boolq", "train", Features())[0] == {"instruction": "q", "answer": "true"}
    for broken in ("[1]", '{"a": 1}', "[{"):
        (folder / "train.json").write_text(broken)
        with pytest.raises(RequestError, match=r"train.json cannot be read as json"):
            source.read("commonsense170k", "boolq", "train", Features())


def strings(values):
    """Return an array of texts with these bytes, whatever they are."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


@pytest.mark.parametrize(
    "make",
    [
        strings,
        lambda values: pa.StructArray.from_arrays([strings(values)], ["text"]),
        lambda values: pa.ListArray.from_arrays(pa.array(range(101), pa.int32()), strings(values)),
    ],
    ids=["texts", "records", "lists"],
)
@pytest.mark.parametrize("row", [0, 1, 57, 99])
def test_a_text_that_is_not_utf_8_is_named(tmp_path, make, row):
    folder = tmp_path / "r/c"
    folder.mkdir(parents=True)
    values = [b"plain", "café".encode()] * 50
    values[row] = b"caf\xe9"  # Latin-1
    table = pa.table({"number": range(100), "column": make(values)})
    pq.write_table(table, folder / "train.parquet", row_group_size=40)
    with pytest.raises(RequestError, match=rf"train\.parquet .*row {row} of column column .*UTF-?8"):
        LocalSource(tmp_path).read("r", "c", "train", Features())


def test_half_a_character_in_json_is_named(tmp_path):
    folder = tmp_path / "r/c"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text('[{"a": "x"}, {"a": {"b": ["\\ud83d\\ude00", "\\ud800"]}}]')
    with pytest.raises(RequestError, match=r"train\.json .*row 1 holds half a character"):
        LocalSource(tmp_path).read("r", "c", "train", Features())


def repeated(value, rows):
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))


@pytest.mark.parametrize(
    "column",
    [
        repeated("x" * 900, 80),
        pa.StructArray.from_arrays([repeated(b"x" * 900, 80)], ["bytes"]),
        pa.ListArray.from_arrays(pa.array(range(0, 81, 2), pa.int32()), repeated("x" * 900, 80)),
        pa.nulls(10_000, pa.int64()),
    ],
    ids=["texts", "images", "lists", "numbers"],
)
def test_a_small_file_that_would_fill_the_memory_is_not_unpacked(tmp_path, monkeypatch, column):
    monkeypatch.setattr(parquet, "_RATIO", 1)
    monkeypatch.setattr(parquet, "Dataset", None)
    folder = tmp_path / "r/c"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"column": column}), folder / "train.parquet", compression="zstd", store_schema=False)
    with pytest.raises(RequestError, match=r"would unpack from .* bytes to more than .*data\.max_row_bytes"):
        LocalSource(tmp_path, max_row_bytes=1000).read("r", "c", "train", Features())


def test_what_unpacks_to_a_little_more_is_read(tmp_path):
    (tmp_path / "r/c").mkdir(parents=True)
    columns = {"text": repeated("x" * 900, 80), "lists": [[b"x"], [], None, [None]] * 20, "number": [1] * 80}
    pq.write_table(pa.table(columns), tmp_path / "r/c/train.parquet", store_schema=False)
    rows = LocalSource(tmp_path, max_row_bytes=2000).read("r", "c", "train", Features())
    assert rows["text"] == ["x" * 900] * 80 and rows["lists"][:4] == [[b"x"], [], None, [None]]
