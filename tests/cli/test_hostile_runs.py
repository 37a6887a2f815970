"""A folder with one hostile run: every report is made, the run left out with a sentence, or its text shown as words."""

import json
import os
import re
import shutil
import time
import tracemalloc

import pytest

from frod_bench.errors import RequestError
from frod_bench.record import find_records
from frod_bench.record.identity import IDENTITY_VERSION
from frod_bench.record.schema import _digest

SCORE = {"value": 0.5, "epoch": 1, "metrics": {"accuracy": 0.5, "f1": 0.4}}
RECORD = {
    "method": "frod", "task": "glue/rte", "backbone": "x", "profile": "smoke", "protocol": "released",
    "selection": "last", "seed": 0, "identity": "0" * 16, "identity_version": IDENTITY_VERSION, "settings": {},
    "metric": {"name": "accuracy", "higher_is_better": True},
    "status": "completed", "error": None, "best": SCORE, "final": SCORE,
    "params": {"trainable": 2, "head": 1, "total": 9, "pct_of_backbone": 12.5}, "samples": {"train": 8, "eval": 4},
    "time": {"init_s": 1.0, "train_s": 2.0, "eval_s": 1.0}, "memory": {"peak_bytes": 10, "kind": "process"},
    "environment": {"packages": {"torch": "2"}, "device": "cpu", "commit": None, "dirty": False},
    "data": {"source": "generated", "note": "few", "cut": "more"}, "initialisation": {"error": 0.1}, "files": {},
    "schema": 3,
}  # fmt: skip
LINE = {"epoch": 1, "step": 2, "train_loss": 0.5, "eval": {"accuracy": 0.5}, "seconds": 1.0}
LINE |= {"tan_alpha": {"mean": 0.1, "min": 0.0, "max": 0.2, "per_layer": {"a": 0.1}}}
CONFIG = "method: {name: frod}\n"
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
WORDS = [
    "\x1b]52;c;cm0=\x07",
    "=cmd|' /C calc'!A0",
    "[a](http://e.org)",
    "<img src=x>",
    "$\\frac$",
    "_x",
    "a\nb\u202ec",
]


def write(folder, record=RECORD, config=CONFIG, lines=(LINE,)):
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record | {"digest": _digest(record)}))
    (folder / "config.yaml").write_text(config)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def pipe(file):
    file.unlink()
    os.mkfifo(file)


def device(file):
    file.unlink()
    file.symlink_to("/dev/zero")


def endless(file):
    with file.open("r+b") as stream:
        stream.truncate(2**40)


@pytest.fixture
def good(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "runs/good", RECORD | {"method": "lora"}, "method: {name: lora}\n")
    return tmp_path / "runs/good"


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
@pytest.mark.parametrize("make", [pipe, device, endless])
def test_what_is_no_file_leaves_the_run_out(bench, good, name, make):
    write(good.with_name("bad"))
    make(good.with_name("bad") / name)
    start = time.process_time()
    code, out, err = bench("report", "runs")
    assert (code, "lora" in out, "frod" in out) == (0, True, False)
    assert "bad" in err and name in err and len(err.splitlines()) == 1
    assert time.process_time() - start < 5


def test_no_report_reads_a_configuration_that_grows_or_turns_in_circles_and_export_refuses_it(bench, good):
    configs = (BOMB, "&a [*a]", "a: &a {b: *a}", "[" * 10_000, "method: .nan", "1: 2", "a: 2001-13-45")
    for number, config in enumerate(configs, 1):
        write(good.with_name(f"bad{number}"), RECORD | {"seed": number, "identity": f"{number:016x}"}, config)
    for words in (("report",), ("report", "stats"), ("report", "html", "--to", "page.html"), ("report", "table4")):
        code, _, err = bench(*words, "runs")
        assert (code, "Traceback" in err) == (0, False)
    for number, config in enumerate(configs, 1):
        code, _, err = bench("export", f"runs/bad{number}", "--to", "model")
        assert (code, "Traceback" in err) == (2, False) and "config.yaml" in err, config


def test_a_record_that_is_deep_or_has_endless_names_leaves_the_run_out(good):
    write(good.with_name("deep"), RECORD | {"initialisation": json.loads('{"a":' * 200 + "1" + "}" * 200)})
    write(good.with_name("long"), RECORD | {"method": "x" * 10_000})
    names = {f"m{number}": 0.5 for number in range(1000)}
    write(good.with_name("wide"), RECORD | {"best": SCORE | {"metrics": names}})
    found = find_records(good.parent)
    assert [run.path.name for run in found.runs] == ["good"]
    assert sorted(path.name for path, _ in found.broken) == ["deep", "long", "wide"]


def test_hostile_words_are_words_in_every_report(bench, good):
    for number, word in enumerate(WORDS):
        texts = dict.fromkeys(("method", "task", "profile", "backbone"), f"{word}{number}")
        score = SCORE | {"metrics": {word: 0.5, "accuracy": 0.5}}
        data = {"source": word, "note": word, "cut": word}
        metric = {"name": word, "higher_is_better": True}
        line = LINE | {"eval": {word: 0.5}, "tan_alpha": LINE["tan_alpha"] | {"per_layer": {word: 0.1}}}
        record = RECORD | texts | {"best": score, "final": score, "data": data, "metric": metric}
        record |= {"memory": {"peak_bytes": 10, "kind": word}, "identity": word}
        write(good.with_name(f"words{number}"), record, lines=[line])
        write(good.with_name(f"failed{number}"), record | {"status": "failed", "error": word}, lines=[line])
        write(good.with_name(f"broken{number}{word.replace('/', '')}"), record, config="[")
    shown = ""
    for words in (
        ("report", "--to", "out"),
        ("report", "stats", "--to", "out"),
        ("report", "html", "--to", "out/p.html"),
    ):
        code, out, err = bench(*words, "runs")
        assert (code, "Traceback" in err) == (0, False)
        shown += out + err
    files = {file.name: file.read_text() for file in good.parents[1].glob("out/*") if file.suffix != ".png"}
    assert {
        "report.md",
        "report.csv",
        "learning_curves.svg",
        "statistics.md",
        "statistics_scores.csv",
        "p.html",
    } <= set(files)
    for text in (shown, *files.values()):
        assert not UNSEEN.search(text)
    for name in ("report.md", "statistics.md"):
        assert not re.search(r"(?<!\\)<img|(?<!\\)\]\(", files[name])
    assert "<img" not in files["p.html"]
    assert not re.search(r"(^|,)[\"']?[=@]", files["report.csv"].replace("'=", ""), re.MULTILINE)


def test_the_memory_of_a_long_file_of_metrics_is_that_of_a_line(good):
    layers = {f"layer.{number}.query": 0.1 for number in range(100)}
    lines = [LINE | {"epoch": number, "tan_alpha": LINE["tan_alpha"] | {"per_layer": layers}} for number in range(8000)]
    write(good.with_name("long"), lines=lines)
    size = (good.with_name("long") / "metrics.jsonl").stat().st_size
    del lines
    tracemalloc.start()
    [run] = [run for run in find_records(good.parent).runs if run.path.name == "long"]
    assert (len(run.metrics), run.metrics[-1]["epoch"], run.metrics[7]["epoch"]) == (8000, 7999, 7)
    assert sum(line["seconds"] for line in run.metrics) == 8000
    assert tracemalloc.get_traced_memory()[1] < size / 8  # a block of the digest is 1 MiB
    tracemalloc.stop()


def test_a_thousand_runs_take_time_in_proportion(good):
    write(good.with_name("run0"), config=CONFIG * 1)
    for number in range(1, 300):
        shutil.copytree(good.with_name("run0"), good.with_name(f"run{number}"))
    find_records(good.parent)
    start = time.process_time()
    assert len(find_records(good.parent).runs) == 301
    assert time.process_time() - start < 300 * 0.01


def test_a_broken_line_is_told_whenever_it_is_read(good):
    [run] = find_records(good).runs
    (good / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(RequestError, match="line 1"):
        run.metrics_by_layer()
    assert [line["epoch"] for line in run.metrics] == [1]  # what was read and checked
