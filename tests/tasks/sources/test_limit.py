import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from frod_bench.errors import RequestError
from frod_bench.tasks.sources import open_source
from frod_bench.tasks.sources.limit import Limited, _sizes

LIMIT = 1000


class Fixed:
    def __init__(self, rows):
        self.rows = rows

    def read(self, repo, config, split, schema):
        return self.rows

    def provenance(self):
        return {"source": "made up"}


@pytest.mark.parametrize("value", ["é" * 501, b"x" * 1001, {"bytes": b"x" * 990, "path": "y" * 11}, ["x" * 400] * 3])
@pytest.mark.parametrize("row", [0, 1500, 2999])
def test_the_large_row_is_named(value, row):
    small = value[:1] if not isinstance(value, dict) else {"bytes": b"x", "path": None}
    rows = Dataset.from_dict({"a": [value if number == row else small for number in range(3000)]})
    with pytest.raises(RequestError, match=rf"Row {row} of r/c/s holds 1,\d+ bytes in column a; .*data.max_row_bytes"):
        Limited(Fixed(rows), LIMIT).read("r", "c", "s", rows.features)


def test_what_is_within_the_limit_comes_as_it_is():
    rows = Dataset.from_dict({"a": ["x" * LIMIT, None], "b": [1, 2], "unread": ["x" * 9000, ""]})
    source = Limited(Fixed(rows), LIMIT)
    schema = {name: rows.features[name] for name in ("a", "b", "absent") if name in rows.features}
    assert source.read("r", "c", "s", schema) is rows
    assert source.provenance() == {"source": "made up"}


def test_selected_rows_are_counted_as_they_are_seen():
    rows = Dataset.from_dict({"a": ["x", "x" * 2000, "x", "x" * 2000]}).select([2, 0, 3])
    with pytest.raises(RequestError, match="Row 2 of"):
        Limited(Fixed(rows), LIMIT).read("r", "c", "s", rows.features)


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        (["a", None, "bcd"], [1, 0, 3]),
        ([["a", "bc"], [], None, ["d"]], [3, 0, 0, 1]),
        ([{"x": "ab", "y": b"c"}, None], [3, 0]),
        ([1, None], [8, 8]),
        ([[[1], [2, 3]], []], [24, 0]),
    ],
)
def test_sizes(values, sizes):
    assert _sizes(pa.array(values)).tolist() == sizes
    assert _sizes(pa.array([values[0], *values])[1:]).tolist() == sizes


def test_a_file_that_would_unpack_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    folder = tmp_path / "r/c"
    folder.mkdir(parents=True)
    table = pa.table({"a": [np.random.default_rng(0).bytes(100).hex() * 200_000]})
    pq.write_table(table, folder / "train.parquet", compression="zstd", use_dictionary=False)
    assert (folder / "train.parquet").stat().st_size < 1_000_000
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(RequestError, match=r"train.parquet holds 40,\d+,\d+ bytes in 1 rows; accepted: 16,777,216"):
        open_source("local", tmp_path).read("r", "c", "train", None)


def test_a_link_out_of_the_root_is_not_followed(tmp_path):
    (tmp_path / "root/r/c").mkdir(parents=True)
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "secret.parquet")
    (tmp_path / "root/r/c/train.parquet").symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(RequestError, match=r"leads out of data\.root"):
        open_source("local", tmp_path / "root").read("r", "c", "train", None)
