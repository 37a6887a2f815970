"""Malformed input of every kind, drawn at random: exit code 2 or 1 and a sentence, never a traceback."""

import io
import json
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, RunRecord
from frod_bench.tasks.checks import check_rows
from frod_bench.tasks.images import decode
from frod_bench.tasks.sources import open_source

QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
KEYS = ["seed", "force", "out", "protocol", "selection", "task", "method", "backbone", "profile", "data.root"]
KEYS += ["data.source", "data.max_train", "data.max_row_bytes", "checkpoint.every_s", "train.auto_batch"]
KEYS += ["train.epochs", "train.batch_size", "train.lr.diag", "train.betas", "train.warmup", "train.clip_norm"]
KEYS += ["method.sparsity", "method.basis", "backbone.targets", "backbone.name", "task.metrics", "task.name"]
KEYS += ["backbone._target_", "task.fields", "wandb.mode", "text.max_length", "xyzzy", "train", "hydra.job.name"]
NASTY = ["", "null", "nan", "-inf", "-1", "0", "1e400", "9" * 30, "true", "[]", "{}", "[1,{a:2}]", "{a:{b:[c]}}"]
NASTY += [
    "../../etc",
    "/dev/null",
    "'\\''",
    "${x}",
    "${oc.env:NOPE}",
    "${recipe:}",
    "a,b",
    "é∞",
    "\\x00",
    "[",
    "a:b",
    "=",
    "_",
]
FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6)


def spoil(content, changes, cut):
    """Return the bytes with some of them replaced, and the end cut off where `cut` is below 1."""
    spoiled = bytearray(content)
    for place, value in changes:
        spoiled[place % len(spoiled)] = value
    return bytes(spoiled[: int(cut * len(spoiled)) + 1])


CUTS = st.one_of(st.just(1.0), st.floats(0, 1))


@pytest.mark.parametrize("value", NASTY)
def test_overrides(bench, monkeypatch, value):
    """Each nasty value for its part of the keys; nothing is trained."""
    monkeypatch.setattr("frod_bench.cli.job._run_claimed", lambda *arguments: 0.0)
    for key in KEYS[NASTY.index(value) :: len(NASTY)]:
        code, _, err = bench("profile=smoke", f"{key}={value}")
        assert code in (0, 1, 2)
        assert "Traceback" not in err
        assert (code == 0) == (err == "")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SCORE = {"value": 0.5, "epoch": 1, "metrics": {"accuracy": 0.5}}
RECORD = RunRecord(
    method="frod", task="glue/rte", backbone="x", profile="smoke", protocol="released", selection="last", seed=0,
    config_hash="0" * 16, metric={"name": "accuracy", "higher_is_better": True}, best=SCORE, final=SCORE,
)  # fmt: skip


@settings(max_examples=60, **QUICK)
@given(changes=FLIPS, cut=CUTS)
def test_spoiled_records(changes, cut):
    text = spoil(RECORD.to_json().encode(), changes, cut).decode(errors="replace")
    with suppress(RequestError):
        assert RunRecord.from_json(text) == RECORD


@settings(max_examples=60, **QUICK)
@given(key=st.sampled_from(sorted(json.loads(RECORD.to_json()))), value=JSON)
@example(key="schema", value=True)
def test_records_with_other_values(key, value):
    content = json.loads(RECORD.to_json()) | {key: value, "schema": 1}
    del content["digest"]
    try:
        RunRecord.from_json(json.dumps(content))
    except RequestError as error:
        assert "record.json" in str(error)


@settings(max_examples=30, **QUICK)
@given(line=JSON)
def test_lines_of_metrics(tmp_path, line):
    run = RunDirectory(tmp_path)
    run.metrics.write_text(json.dumps(line) + "\n")
    with suppress(RequestError):
        assert run.read_metrics()[0]["epoch"] == line["epoch"]


def parquet():
    file = io.BytesIO()
    pq.write_table(pa.table({"sentence": ["a", "b"] * 20, "label": [0, 1] * 20}), file)
    return file.getvalue()


@settings(max_examples=80, **QUICK)
@given(changes=FLIPS, cut=CUTS)
def test_spoiled_parquet(tmp_path, changes, cut):
    folder = tmp_path / "r/c"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.parquet").write_bytes(spoil(parquet(), changes, cut))
    try:
        rows = open_source("local", tmp_path).read("r", "c", "train", {"sentence": None, "label": None})
        check_rows(rows, "r/c/train", ["sentence"], "label", ["no", "yes"])
    except RequestError as error:
        assert "r/c/train" in str(error)


def image(form):
    file = io.BytesIO()
    Image.effect_noise((24, 16), 60).convert("RGB").save(file, format=form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
@settings(max_examples=25, **QUICK)
@given(changes=FLIPS, cut=CUTS)
def test_spoiled_images(form, changes, cut):
    try:
        assert decode(spoil(image(form), changes, cut), "Row 3", 10**6, 16).mode == "RGB"
    except RequestError as error:
        assert "Row 3" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "backbone: 3",
        "backbone: {}",
        "{",
        "a: &a [*a]",
        "!!python/object/apply:os.system [touch sprung]",
        "backbone: {_target_: os.system, command: touch sprung}",
        "backbone: {_target_: frod_bench.backbones.gguf.shutil.copyfile, src: run/config.yaml, dst: sprung}",
        "\x00",
        "backbone: {_target_: [1]}",
    ],
)
def test_the_configuration_of_a_run_to_export(bench, tmp_path, text):
    (tmp_path / "run/adapter").mkdir(parents=True)
    (tmp_path / "run/adapter/adapter_config.json").write_text('{"head": []}')
    (tmp_path / "run/config.yaml").write_text(text)
    code, _, err = bench("export", "run", "--to", "there")
    assert code == 2
    assert err.startswith("frod-bench: ") and "Traceback" not in err
    assert not (tmp_path / "sprung").exists()
