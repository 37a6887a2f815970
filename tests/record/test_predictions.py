"""Predictions per row, in a run's directory and in an archive."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frod_bench.errors import RequestError
from frod_bench.reading import read_text
from frod_bench.record import find_records
from frod_bench.record.archive import archive_line
from frod_bench.record.predictions import (
    Predicted,
    RowPredictions,
    digest_of,
    packed,
    read_predictions,
    unpacked,
    write_predictions,
)

ROWS = [Predicted(9, 1, 0, [0.75, 0.25]), Predicted(2, 0, 0, [0.9, 0.1]), Predicted(4, 1, 1, [0.2, 0.8])]
OTHER = [Predicted(0, 3, -1, None, "I do not know")]


@pytest.fixture
def run(tmp_path, record, store):
    """A complete run with predictions of two epochs; the second is selected."""
    run = store(tmp_path / "run", record, epochs=2)
    write_predictions(run.predictions, {1: {"validation": ROWS[:1]}, 2: {"validation": ROWS, "holdout": OTHER}})
    record.predictions = {s: digest_of(run.read_predictions(2, s)) for s in ("validation", "holdout")}
    record.files = run.digests()
    run.write_record(record)
    return run


def test_rows_are_read_by_epoch_and_split_in_order_of_their_ids(run):
    rows = read_predictions(run.predictions, 2, "validation")
    assert [column.tolist() for column in rows] == [[2, 4, 9], [0, 1, 1], [0, 1, 0]]
    assert [column.tolist() for column in read_predictions(run.predictions, 1, "validation")] == [[9], [1], [0]]


def test_scores_and_texts_are_in_the_file(run):
    rows = pq.read_table(run.predictions).to_pylist()
    assert [row["scores"] for row in rows if row["id"] == 2] == [pytest.approx([0.9, 0.1])]
    assert [row["text"] for row in rows if row["split"] == "holdout"] == ["I do not know"]


def test_a_stored_run_gives_those_of_its_selected_epoch(run, tmp_path):
    (stored,) = find_records(tmp_path).runs
    assert stored.predictions().ids.tolist() == [2, 4, 9]
    assert stored.predictions("holdout").predictions.tolist() == [-1]
    assert stored.predictions("test") is None


def test_an_older_run_has_none_and_keeps_its_digest(tmp_path, record, store):
    directory = store(tmp_path / "run", record)
    assert "predictions" not in json.loads(directory.record.read_text())
    (stored,) = find_records(tmp_path).runs
    assert stored.record == record and stored.predictions() is None


def test_an_edited_file_is_named(run, tmp_path):
    write_predictions(run.predictions, {2: {"validation": [row._replace(prediction=row.label) for row in ROWS]}})
    [(_, reason)] = find_records(tmp_path).broken
    assert "predictions.parquet was edited" in reason


def test_an_archive_keeps_what_statistics_need(run, record, tmp_path):
    texts = {path.name: read_text(path) for path in (run.record, run.config, run.metrics)}
    rows = {split: packed(run.read_predictions(2, split)) for split in record.predictions}
    (tmp_path / "packed").mkdir()
    archive = tmp_path / "packed/glue_mrpc.runs.jsonl"
    archive.write_text(archive_line("x", texts | {"predictions.json": json.dumps(rows)}))
    (archived,) = find_records(archive.parent).runs
    assert digest_of(archived.predictions()) == digest_of(run.read_predictions(2, "validation"))
    edited = rows | {"validation": rows["holdout"]}
    archive.write_text(archive_line("x", texts | {"predictions.json": json.dumps(edited)}))
    (archived,) = find_records(archive.parent).runs
    with pytest.raises(RequestError, match="not those that the record names"):
        archived.predictions()


def test_packing_is_exact():
    random = np.random.default_rng(0)
    ids = np.sort(random.choice(10_000, 500, replace=False))
    rows = RowPredictions(ids, random.integers(0, 9, 500), random.integers(-1, 9, 500))
    assert all(np.array_equal(a, b) for a, b in zip(rows, unpacked(packed(rows)), strict=True))


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!"])
def test_text_that_was_not_packed_is_refused(text):
    with pytest.raises(ValueError):
        unpacked(text)


def test_a_file_that_is_no_parquet_or_claims_too_much_is_refused(tmp_path):
    file = tmp_path / "predictions.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(RequestError, match="cannot be read as predictions"):
        read_predictions(file, 1, "validation")
    claims = pa.table({"split": pa.array(["v"] * 30_000_000).dictionary_encode()})
    pq.write_table(claims, file)  # a few bytes
    with pytest.raises(RequestError, match="too large"):
        read_predictions(file, 1, "validation")
