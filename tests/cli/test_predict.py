"""`frod-bench predict`: a run's own evaluation rows get its own predictions, and new rows get a class by name."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from datasets import disable_progress_bars
from hydra.utils import instantiate
from PIL import Image

from frod_bench import load_run
from frod_bench.config.catalogue import read_choice
from frod_bench.record import RunDirectory
from frod_bench.tasks.sources.generated import GeneratedSource

SMALL = ("profile=smoke", "train.epochs=2", "data.max_train=16", "out=run")


@pytest.fixture
def rows(tmp_path):
    """Returns a function (task) -> (data root with generated rows of a task, file of its evaluation rows)."""
    disable_progress_bars()

    def make(name):
        config = {key: value for key, value in read_choice("task", name).items() if key != "version"}
        free = {key: None for key, value in config.items() if isinstance(value, str) and "${" in value}
        task = instantiate(config | free)
        schema = task.schema if hasattr(task, "schema") else task.rows_in("classification").schema
        folder = tmp_path / "data" / task.repo / task.config
        for split in (task.train_split, task.eval_splits[0]):
            folder.mkdir(parents=True, exist_ok=True)
            GeneratedSource().read(task.repo, task.config, split, schema).to_parquet(folder / f"{split}.parquet")
        return tmp_path / "data", folder / f"{task.eval_splits[0]}.parquet"

    return make


CASES = {
    "a pair of texts": ("glue/mrpc", ["method=lora"]),
    "FRoD's way of evaluating": ("glue/mrpc", ["method=frod", "train.eval_batch_size=5"]),
    "images": ("vision/svhn", ["method=frod"]),
    "a head on a language model": ("commonsense/piqa", ["method=lora"]),
    "an answer by likelihood": ("commonsense/boolq", ["method=lora", "protocol=paper", "task.scoring=likelihood"]),
    "an answer in words": ("commonsense/winogrande", ["method=lora", "protocol=paper"]),
}


@pytest.mark.parametrize(("task", "words"), CASES.values(), ids=CASES)
def test_the_runs_own_rows_get_its_own_predictions(bench, rows, tmp_path, task, words):
    root, file = rows(task)
    code, _, err = bench(*SMALL, f"task={task}", f"data.root={root}", *words)
    assert code == 0, err
    file = file.rename(tmp_path / "rows.parquet")
    root.rename(tmp_path / "elsewhere")  # predicting needs none of the run's own rows
    record = RunDirectory("run").read_record()
    code, out, err = bench("predict", "run", str(file), "--to", "made/p.parquet")
    assert code == 0, err
    stored = pq.read_table("run/predictions.parquet").to_pylist()
    stored = [row for row in stored if row["epoch"] == record.selected["epoch"]]
    made = pq.read_table("made/p.parquet").to_pylist()
    names = load_run("run").record.settings.get("task.label_names") or read_choice("task", task)["label_names"]
    assert [row["row"] for row in made] == [row["id"] for row in stored]
    assert [row["label"] for row in made] == [names[row["label"]] for row in stored]
    assert [row["prediction"] for row in made] == [
        None if row["prediction"] < 0 else names[row["prediction"]] for row in stored
    ]
    for ours, row in zip(made, stored, strict=True):
        scores = [value for key, value in ours.items() if key.startswith(("p(", "log_likelihood("))]
        assert scores == (row["scores"] or [])
        assert ours.get("answer") == row["text"]
    assert f"{record.metric['name']} {record.selected['value']:.4f}" in out


@pytest.fixture
def sst2(smoke):
    assert smoke("task=glue/sst2", "method=lora", "out=run")[0] == 0
    return "run"


def test_rows_of_a_user_by_other_names_and_in_every_form(bench, sst2, tmp_path):
    texts = ["A warm, funny film.", 'Dull,\nand "too long"', "=1+1"]
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["review", "stars"], *([text, 5] for text in texts)])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"sentence": text}) + "\n" for text in texts))
    code, out, err = bench("predict", sst2, "rows.csv", "--text", "review")
    assert (code, err) == (0, "")
    assert "Dull, and" in out and "p(positive)" in out and "labelled rows" not in out
    assert bench("predict", sst2, "rows.csv", "--text", "review", "--to", "a.jsonl")[0] == 0
    assert bench("predict", sst2, "rows.jsonl", "--to", "b.csv")[0] == 0
    first = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    with (tmp_path / "b.csv").open(newline="") as stream:
        second = list(csv.DictReader(stream))
    assert [row["sentence"] for row in first] == texts
    assert [row["prediction"] for row in first] == [row["prediction"] for row in second]
    assert second[2]["sentence"] == "'=1+1"  # no formula for a spreadsheet
    assert {row["prediction"] for row in first} <= {"negative", "positive"}
    assert sum(first[0][f"p({name})"] for name in ("negative", "positive")) == pytest.approx(1)
    assert load_run(sst2).predict([{"sentence": text} for text in texts]) == first


def test_images_in_folders_of_their_class(smoke, bench, tmp_path):
    assert smoke("task=vision/digits", "method=lora", "out=run")[0] == 0
    for number, (name, mode) in enumerate([("3", "L"), ("7", "RGB"), ("7", "RGBA")]):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.new(mode, (20, 30)).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    code, out, err = bench("predict", "run", "photos")
    assert (code, err) == (0, "")
    assert "3/0.png" in out and "on 3 labelled rows" in out
    code, out, err = bench("predict", "run", "photos/3/0.png")
    assert (code, err) == (0, "")
    assert "0.png" in out and "labelled" not in out
    (tmp_path / "list.csv").write_text("picture,label\nphotos/7/1.png,7\n")
    code, out, err = bench("predict", "run", "list.csv", "--image", "picture")
    assert (code, err) == (0, "") and "on 1 labelled rows" in out
    (tmp_path / "photos" / "7" / "broken.png").write_bytes(b"no image")
    code, _, err = bench("predict", "run", "photos")
    assert code == 2 and "Row 3 of photos (7/broken.png) is not a readable image" in err and len(err.splitlines()) == 1


def test_labels_of_other_words_leave_the_score_out(bench, sst2, tmp_path):
    (tmp_path / "rows.csv").write_text("sentence,label\ngood,5 stars\n")
    code, out, err = bench("predict", sst2, "rows.csv")
    assert code == 0 and "prediction" in out and "labelled rows" not in out
    assert err == "note: No score: Row 0 of rows.csv has label '5 stars'; the classes are negative, positive.\n"


def test_what_is_refused(bench, sst2, tmp_path):
    (tmp_path / "rows.csv").write_text("review\ngood\n")
    (tmp_path / "null.jsonl").write_text('{"sentence": "good"}\n{"sentence": null}\n')
    (tmp_path / "rows.xlsx").write_text("")
    for words, message in {
        ("nowhere", "rows.csv"): "There is no folder nowhere",
        (".", "rows.csv"): "is not a run's directory",
        (sst2, "nowhere.csv"): "There is no file or folder nowhere.csv",
        (sst2, "rows.xlsx"): "rows.xlsx is of no known kind",
        (sst2, "rows.csv"): "rows.csv has no column sentence; its columns are review.",
        (sst2, "rows.csv", "--text", "text"): "rows.csv has no column text",
        (sst2, "rows.csv", "--text", "review", "review"): "it has 1: sentence",
        (sst2, "rows.csv", "--image", "review"): "which has texts",
        (sst2, "null.jsonl"): "Row 1 of null.jsonl has no text in column sentence; accepted: a text.",
        (sst2, "rows.csv", "--text", "review", "--to", "p.txt"): "a file that ends in .csv, .jsonl, .parquet",
        (sst2, "rows.csv", "--text", "review", "--to", "rows.csv/p.csv"): "cannot be written",
        (sst2, "rows.csv", "--text", "review", "--batch-size", "0"): "a whole number above 0",
    }.items():
        code, _, err = bench("predict", *words)
        assert (code, len(err.splitlines())) == (2, 1), (words, err)
        assert message in err, (words, err)
