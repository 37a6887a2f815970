"""A run on rows of one's own gives what any run gives: predictions by class name and a plain model."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

WORDS = {"good": "a warm and funny film", "bad": "dull and far too long"}


@pytest.fixture
def run_of(bench, tmp_path):
    def train(*words):
        code, _, err = bench("profile=smoke", "method=lora", "train.epochs=1", *words)
        assert code == 0, err
        (record,) = (tmp_path / "outputs").rglob("record.json")
        return record.parent

    return train


def write_reviews(file, rows):
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([["review", "stars"], *rows])


def test_texts(run_of, bench, tmp_path):
    write_reviews(tmp_path / "train.csv", [[f"{WORDS[c]} {n}", c] for n in range(12) for c in WORDS])
    write_reviews(tmp_path / "eval.csv", [[f"{WORDS[c]} {n}", c] for n in range(12, 16) for c in WORDS])
    run = run_of(
        "task=own/text", "task.train=train.csv", "task.eval=eval.csv", "task.text=[review]", "task.label=stars"
    )
    code, out, err = bench("predict", str(run), "eval.csv", "--to", "found.csv")
    assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "found.csv").open()))
    score = json.loads((run / "record.json").read_text())["best"]
    assert len(rows) == 8 and {row["prediction"] for row in rows} <= set(WORDS) and "review" in rows[0]
    assert f"accuracy {score['value']:.4f} on 8 labelled rows" in out

    (tmp_path / "train.csv").unlink()  # neither needs the rows again
    (tmp_path / "other.jsonl").write_text('{"said": "a warm film"}')
    code, out, err = bench("predict", str(run), "other.jsonl", "--text", "said")
    assert code == 0 and "a warm film" in out, err
    code, _, err = bench("predict", str(run), "other.jsonl")
    assert code == 2 and "no column review" in err

    code, _, err = bench("export", str(run), "--format", "merged", "--to", "model")
    assert code == 0, err
    assert json.loads((tmp_path / "model/config.json").read_text())["id2label"] == {"0": "bad", "1": "good"}


def test_images(run_of, bench, tmp_path):
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(10):
            pixels = generator.integers(0, 255, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{n}.png")
    run = run_of("task=own/images", "task.train=photos")
    code, out, err = bench("predict", str(run), "photos", "--to", "found.csv")
    assert code == 0 and "on 20 labelled rows" in out, err
    rows = list(csv.DictReader((tmp_path / "found.csv").open()))
    assert len(rows) == 20 and {row["prediction"] for row in rows} <= {"cat", "dog"}
    code, _, err = bench("export", str(run), "--format", "merged", "--to", "model")
    assert code == 0, err
