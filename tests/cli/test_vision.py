"""Image tasks from the command line, on generated images."""

import json

import pytest

from frod_bench.backbones import clip_weights
from frod_bench.config.catalogue import choices
from frod_bench.record import RunDirectory

TASKS = [task for task in choices("task") if task.startswith("vision/")]


def test_generated_images_are_learned(bench, tmp_path):
    words = ("profile=smoke", "task=vision/svhn", "method=full_ft", "train.lr.backbone=1e-3", "train.epochs=12")
    assert bench(*words, "out=run")[0] == 0
    assert RunDirectory(tmp_path / "run").read_record().best["value"] > 0.5


def test_the_list_shows_every_task(bench):
    listed = {row["name"]: row for row in json.loads(bench("list", "tasks", "--json")[1])}
    assert set(TASKS) < set(listed)
    assert listed["vision/cars"] == {
        "name": "vision/cars",
        "suite": "vision",
        "classes": 196,
        "train": 8144,
        "eval": [8041],
        "metrics": ["accuracy"],
        "packaged": None,
        "source": "tanganke/stanford_cars/default",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backbone=tiny_roberta"], "vision/dtd has images, and the backbone reads text"),
        (["task=glue/rte", "backbone=tiny_clip"], "The task has text, and the backbone reads images"),
        (["text.max_length=64"], "text.max_length=64 is not accepted: vision/dtd has images"),
        (["task.max_pixels=100"], "of tanganke/dtd/default/train is an image of 32 x 32"),
        (["data.source=packaged"], "tanganke/dtd/default is not packaged"),
        (["backbone=clip_vit_b32"], "are not on this machine and the hub cannot be reached"),
        (
            ["backbone=clip_vit_b32", "backbone.path=x", "backbone.head_init=zero"],
            "backbone.head_init=zero is not known",
        ),
        (["backbone=clip_vit_b32", "backbone.path=nowhere"], "backbone.path=nowhere holds no CLIP weights"),
    ],
)
def test_what_does_not_fit(smoke, monkeypatch, tmp_path, words, message):
    monkeypatch.setattr(clip_weights, "hub_reachable", lambda: False)
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))  # what is in a cache is not decoded again
    code, _, err = smoke("task=vision/dtd", "method=lora", "out=run", *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
