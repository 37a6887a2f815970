"""A run on rows of one's own gives what any run gives: predictions by class name and a plain model."""

import csv
import json

import numpy as np
import pytest
import torch
from peft import PeftModel
from PIL import Image
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from frod_bench import load_run
from frod_bench.backbones.base import seeded

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
    (tmp_path / "null.jsonl").write_text('{"review": "a warm film", "stars": "fine"}\n{"review": null}')
    code, _, err = bench("predict", str(run), "null.jsonl")
    assert code == 2 and "Row 1 of null.jsonl has no text in column review; accepted: a text." in err
    (tmp_path / "null.jsonl").write_text('{"review": "a warm film", "stars": "fine"}')
    code, _, err = bench("predict", str(run), "null.jsonl")
    assert code == 0 and "No score: Row 0 of null.jsonl has stars 'fine'; the classes are bad, good." in err

    code, _, err = bench("export", str(run), "--format", "merged", "--to", "model")
    assert code == 0, err
    assert json.loads((tmp_path / "model/config.json").read_text())["id2label"] == {"0": "bad", "1": "good"}


def write_photos(folder):
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for n in range(10):
            pixels = generator.integers(0, 255, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / (f"{n}.png" if n else "0.jfif"), format="PNG")


def test_images(run_of, bench, tmp_path):
    write_photos(tmp_path / "photos")
    run = run_of("task=own/images", "task.train=photos")
    code, out, err = bench("predict", str(run), "photos", "--to", "found.csv")
    assert code == 0 and "on 20 labelled rows" in out, err
    rows = list(csv.DictReader((tmp_path / "found.csv").open()))
    assert len(rows) == 20 and {row["prediction"] for row in rows} <= {"cat", "dog"}
    (tmp_path / "paths.csv").write_text("picture\nphotos/cat/1.png\n")
    code, out, err = bench("predict", str(run), "paths.csv", "--image", "picture")
    assert code == 0 and "photos/cat/1.png" in out, err
    (tmp_path / "photos/dog/3.png").write_bytes(b"no image")
    code, _, err = bench("predict", str(run), "photos")
    assert code == 2 and "(dog/3.png) is not a readable image" in err
    code, _, err = bench("export", str(run), "--format", "merged", "--to", "model")
    assert code == 0, err


def test_a_model_of_ones_own_reads_images_in_plain_transformers(run_of, bench, tmp_path):
    with seeded(0):
        config = ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                           image_size=16, patch_size=8)  # fmt: skip
        ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "vit")
    write_photos(tmp_path / "photos")
    run = run_of("task=own/images", "task.train=photos", "backbone=own/images", "backbone.id=vit")
    found = {}
    for form in ("merged", "peft"):
        code, _, err = bench("export", str(run), "--format", form, "--to", form)
        assert code == 0, err
        processor = AutoImageProcessor.from_pretrained(tmp_path / form)
        card = (tmp_path / form / "README.md").read_text()
        assert "pipeline_tag: image-classification" in card and "Tokenizer" not in card
        inputs = processor(Image.open(tmp_path / "photos/cat/1.png"), return_tensors="pt")
        found[form] = load(tmp_path, form)(**inputs).logits
    torch.testing.assert_close(found["merged"], found["peft"], rtol=1e-5, atol=1e-5)
    expected = load_run(run).predict([{"image": str(tmp_path / "photos/cat/1.png")}])[0]
    assert found["merged"].softmax(-1)[0, 0].item() == pytest.approx(expected["p(cat)"], abs=2e-3)


def load(folder, form):
    if form == "merged":
        model = AutoModelForImageClassification.from_pretrained(folder / "merged")
        assert model.config.id2label == {0: "cat", 1: "dog"}
        return model.eval()
    config = AutoConfig.from_pretrained(folder / "peft")
    base = AutoModelForImageClassification.from_pretrained(folder / "vit", config=config, ignore_mismatched_sizes=True)
    return PeftModel.from_pretrained(base, folder / "peft").eval()
