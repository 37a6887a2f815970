import hashlib
import json

import pytest

from frod_bench.errors import RequestError
from frod_bench.record import RunRecord

IDENTITY = {
    "method", "task", "backbone", "profile", "protocol", "selection", "seed", "identity", "metric",
}  # fmt: skip
KEYS = IDENTITY | {
    "schema", "status", "error", "best", "final", "params", "samples", "time", "memory", "environment",
    "data", "initialisation", "files", "settings", "identity_version",
}  # fmt: skip


def sealed(content):
    """Return the JSON of a record with a digest that fits, as a faulty program would write it."""
    content.pop("digest", None)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps(content | {"digest": f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"})


def without(record, *path):
    """Return the JSON of the record without the key at `path`."""
    content = json.loads(record.to_json())
    part = content
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    return sealed(content)


def changed(record, **values):
    return sealed(json.loads(record.to_json()) | values)


def test_a_record_survives_the_way_to_json_and_back(record):
    assert RunRecord.from_json(record.to_json()) == record


def test_the_file_has_the_documented_keys(record):
    assert sorted(json.loads(record.to_json())) == sorted(KEYS | {"digest"})


@pytest.mark.parametrize(("selection", "epoch"), [("best_on_eval", 2), ("holdout", 2), ("last", 3)])
def test_the_selection_reports_the_best_or_the_last_epoch(record, selection, epoch):
    record.selection = selection
    assert record.selected["epoch"] == epoch


def test_a_run_that_has_just_begun_is_a_valid_record(record):
    begun = RunRecord(**{key: getattr(record, key) for key in IDENTITY})
    assert begun.status == "running"
    assert RunRecord.from_json(begun.to_json()) == begun


@pytest.mark.parametrize("key", sorted(KEYS))
def test_a_missing_key_is_named(record, key):
    with pytest.raises(RequestError, match=key):
        RunRecord.from_json(without(record, key))


@pytest.mark.parametrize(
    "path", [("best", "epoch"), ("params", "pct_of_backbone"), ("memory", "kind"), ("data", "source")]
)
def test_a_completed_record_needs_every_part(record, path):
    with pytest.raises(RequestError, match=f"{path[0]} lacks {path[1]}"):
        RunRecord.from_json(without(record, *path))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"schema": 4}, "schema is 4"),
        ({"status": "done"}, "'done'"),
        ({"seed": "0"}, "seed"),
        ({"method": None}, "method"),
        ({"best": None}, "best"),
        ({"params": [1]}, "params"),
        ({"final": {"value": "high", "epoch": 1, "metrics": {}}}, "final.value"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_value_is_named(record, values, named):
    with pytest.raises(RequestError, match=named):
        RunRecord.from_json(changed(record, **values))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_no_record_is_refused_with_the_name_of_the_file(text):
    with pytest.raises(RequestError, match=r"run7/record\.json"):
        RunRecord.from_json(text, where="run7/record.json")


def test_a_truncated_record_is_refused(record):
    with pytest.raises(RequestError, match="not JSON"):
        RunRecord.from_json(record.to_json()[:-20])


def test_nan_is_neither_written_nor_read(record):
    text = record.to_json().replace("0.812", "NaN")
    with pytest.raises(RequestError, match="NaN"):
        RunRecord.from_json(text)
    record.best["value"] = float("nan")
    with pytest.raises(ValueError, match="nan, not a number"):
        record.to_json()


def test_an_incomplete_record_cannot_be_called_completed(record):
    record.final = None
    with pytest.raises(ValueError, match="final"):
        record.to_json()


def test_the_digest_is_over_everything_and_the_same_for_equal_records(record):
    assert json.loads(record.to_json())["digest"] == record.digest
    assert RunRecord.from_json(record.to_json()).digest == record.digest
    before = record.digest
    record.best["metrics"]["f1"] += 1e-15
    assert record.digest != before


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("0.812", "0.912"),
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        lambda text: text.replace('"epoch": 2', '"epoch": 3'),
        lambda text: text.replace("0123456789abcdef", "0123456789abcdee"),
        lambda text: text.replace('"commit": null', '"commit": "abc"'),
    ],
)
def test_an_edited_record_is_told(record, edit):
    edited = edit(record.to_json())
    assert edited != record.to_json()
    with pytest.raises(RequestError, match="edited or damaged"):
        RunRecord.from_json(edited)


def test_layout_is_no_edit(record):
    assert RunRecord.from_json(json.dumps(json.loads(record.to_json()))) == record


@pytest.mark.parametrize(
    ("schema", "message"),
    [(1, "no digest .*: make the run again"), (2, "python scripts/migrate_runs.py"), (3, "it lacks digest")],
)
def test_a_record_without_a_digest_is_refused(record, schema, message):
    content = json.loads(record.to_json()) | {"schema": schema}
    del content["digest"]
    with pytest.raises(RequestError, match=message):
        RunRecord.from_json(json.dumps(content))


def test_records_share_the_words_that_they_repeat(record):
    record.settings = {"method.name": "a long name", "train.betas": [0.9, "adaptive"]}
    one, two = (RunRecord.from_json(record.to_json()) for _ in range(2))
    assert one == two == record and one.settings is not two.settings
    for left, right in zip(one.settings, two.settings, strict=True):
        assert left is right
    assert one.settings["method.name"] is two.settings["method.name"]
    assert one.settings["train.betas"][1] is two.settings["train.betas"][1]
