"""Malformed input of every kind, drawn at random: exit code 2 or 1 and a sentence, never a traceback."""

import io
import json
import math
from contextlib import suppress
from copy import deepcopy
from functools import reduce

import hydra
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers
from frod_bench.config.resolve import _SECTIONS, resolve
from frod_bench.errors import RequestError
from frod_bench.record import RunRecord
from frod_bench.record.schema import _digest
from frod_bench.runs.job import run_job
from frod_bench.tasks.checks import check_rows
from frod_bench.tasks.images import decode
from frod_bench.tasks.sources import open_source

QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
KEYS = ["seed", "force", "out", "protocol", "selection", "task", "method", "backbone", "profile", "data.root"]
KEYS += ["data.source", "data.max_train", "data.max_row_bytes", "checkpoint.every_s", "train.auto_batch"]
KEYS += [
    "train.epochs",
    "train.batch_size",
    "train.lr.diag",
    "train.betas",
    "train.warmup_steps",
    "train.max_grad_norm",
]
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
    monkeypatch.setattr("frod_bench.runs.job._run_claimed", lambda *arguments: 0.0)
    for key in KEYS[NASTY.index(value) :: len(NASTY)]:
        code, _, err = bench("profile=smoke", f"{key}={value}")
        assert code in (0, 1, 2)
        assert "Traceback" not in err
        assert (code == 0) == (err == "")


@pytest.fixture(scope="module")
def composed():
    """The configuration that `frod-bench profile=smoke` runs, which takes Hydra most of a second."""
    register_resolvers()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return resolve(hydra.compose("config", ["profile=smoke"]))


def places(part, above=()):
    for key, value in part.items():
        yield from places(value, (*above, key)) if ".".join((*above, key)) in _SECTIONS else [(*above, key)]


UNFIT = [None, True, -1, 2.5, math.nan, 10**30, "", "x", "../..", "\0", [], [None], {"a": [1]}]


@pytest.mark.parametrize("turn", range(4))
def test_every_key_with_values_of_every_kind(composed, monkeypatch, tmp_path, turn):
    """What a run is given after Hydra has read it: a sentence, up to where it would read rows."""

    def begin(*arguments, resume):
        raise RequestError("far enough")

    monkeypatch.setattr("frod_bench.runs.job._run", begin)
    monkeypatch.setattr("frod_bench.runs.job._claim", lambda *arguments: "new")
    monkeypatch.chdir(tmp_path)
    for number, (*above, key) in enumerate(places(composed)):
        config = deepcopy(composed)
        part = reduce(dict.__getitem__, above, config)
        part[key] = UNFIT[(number + 3 * turn) % len(UNFIT)]
        with pytest.raises(RequestError):
            run_job(config)


SCORE = {"value": 0.5, "epoch": 1, "metrics": {"accuracy": 0.5, "f1": 0.4}}
RECORD = RunRecord(
    method="frod", task="glue/rte", backbone="x", profile="smoke", protocol="released", selection="last", seed=0,
    identity="0" * 16, metric={"name": "accuracy", "higher_is_better": True}, status="completed",
    best=SCORE, final=SCORE, params={"trainable": 2, "head": 1, "total": 9, "pct_of_backbone": 12.5},
    samples={"train": 8, "eval": 4}, time={"init_s": 1.0, "train_s": 2.0, "eval_s": 1.0},
    memory={"peak_bytes": 10, "kind": "process"}, data={"source": "generated", "note": "few", "cut": "more"},
    environment={"packages": {"torch": "2"}, "device": "cpu", "commit": None, "dirty": False},
    initialisation={"error": 0.1},
)  # fmt: skip
LINE = {"epoch": 1, "step": 2, "train_loss": 0.5, "eval": {"accuracy": 0.5}, "seconds": 1.0, "flops": 5, "lr_ratio": 1}
LINE |= {"tan_alpha": {"mean": 0.1, "min": 0.0, "max": 0.2, "per_layer": {"a": 0.1}}}
ODD = [None, True, -1, 1e308, 10**400, "x", "\ud800", "<script>", [], {}, {"a": [1]}]


def changed(content):
    """Yield a copy of the JSON object for every value in it and every odd value, which takes its place."""
    for key, value in content.items():
        yield from (content | {key: odd} for odd in ODD)
        if isinstance(value, dict):
            yield from (content | {key: part} for part in changed(value))


def sealed(content):
    return json.dumps(content | {"digest": _digest(content)})


def stored(folder, record, line):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("method: {name: frod}")
    (folder / "record.json").write_text(record)
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")


def reported(bench):
    """Return what the reports on `runs` say of those they leave out, each of them being read to its end."""
    pages = [bench(*words, "runs") for words in (("report",), ("report", "stats"), ("report", "html", "--to", "page"))]
    assert [(code, "Traceback" in err) for code, _, err in pages] == [(0, False)] * 3
    assert pages[0][2] == pages[1][2] == pages[2][2]
    return pages[0][2].splitlines()


@settings(max_examples=60, **QUICK)
@given(changes=FLIPS, cut=CUTS)
def test_spoiled_records(changes, cut):
    text = spoil(RECORD.to_json().encode(), changes, cut).decode(errors="replace")
    with suppress(RequestError):
        assert RunRecord.from_json(text) == RECORD


@pytest.fixture
def every_warning(monkeypatch):
    monkeypatch.setattr("frod_bench.cli.runs._WARNINGS_SHOWN", 10_000)


def test_records_with_other_values_and_a_digest_that_fits(every_warning, bench, tmp_path):
    """A report leaves out what the schema refuses, and every part of it can read the rest."""
    content = json.loads(RECORD.to_json())
    del content["digest"]
    odd = list(changed(content))
    for n, record in enumerate(odd):  # each has a task of its own, so that all of them are shown
        own = record if record["task"] != content["task"] else record | {"task": f"t{n}"}
        stored(tmp_path / f"runs/{n}", sealed(own), LINE)
    left_out = [line for line in reported(bench) if "is not a run record of schema" in line]
    assert 0.5 * len(odd) < len(left_out) < 0.9 * len(odd)


def test_lines_of_metrics_with_other_values(every_warning, bench, tmp_path):
    content = json.loads(RECORD.to_json())
    del content["digest"]
    for n, line in enumerate(changed(LINE)):
        stored(tmp_path / f"runs/{n}", sealed(content | {"task": f"t{n}", "method": "full_ft"}), line)
    left_out = reported(bench)
    assert 0.5 * n < len(left_out) < 0.9 * n and all("line 1 is not that of an epoch" in line for line in left_out)


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
