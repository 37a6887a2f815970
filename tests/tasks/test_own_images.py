import io
import os
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.own.places import content_of
from frod_bench.tasks.own_images import OwnImageTask
from frod_bench.tasks.sources.own import OwnSource


class Transform:
    size, key = 4, "own 4"

    def resize(self, image):
        return np.asarray(image.resize((4, 4))).transpose(2, 0, 1)

    def normalise(self, pixels):
        return pixels.float() / 255


def picture(mode="RGB", colour=(200, 30, 30), form="PNG", size=(6, 5)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(file, format=form)
    return file.getvalue()


def deep():
    file = io.BytesIO()
    Image.new("I;16", (6, 5)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder with six red cats and six blue dogs, in the modes that cameras and editors write."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    for name, colour in (("cat", (200, 30, 30)), ("dog", (30, 30, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number, mode in enumerate(("RGB", "L", "P", "CMYK", "RGBA", "1")):
            form = "TIFF" if mode == "CMYK" else "PNG"
            (tmp_path / f"photos/{name}/{number}.{form.lower()}").write_bytes(picture(mode, colour, form))
    return tmp_path / "photos"


@pytest.fixture
def load():
    def run(train="photos", eval=None, root=None, source=None, task=(), **request):
        content = {"train": content_of(train, "task.train"), "eval": content_of(eval, "task.eval")}
        given = {"name": "own/images", "suite": "own", "metrics": ["accuracy"], "max_pixels": 1000} | dict(task)
        made = OwnImageTask(train=train, eval=eval, content=content, **given)
        return made.load(source or OwnSource(root, 2**20), Transform(), replace(RowRequest(), **request))

    return run


def test_a_folder_of_classes(photos, load):
    data = load()
    assert data.samples == {"train": 10, "eval": 2} and data.label_names == ["cat", "dog"]
    assert list(data.row_ids["evaluation"]) == [4, 10]
    first, last = data.train[0]["pixels"], data.train[5]["pixels"]
    assert first[:, 0, 0].tolist() == [200, 30, 30] and last[:, 0, 0].tolist() == [30, 30, 200]
    assert data.provenance["files"] == "photos" and data.provenance["columns"] == {"label": "label"}


def test_an_evaluation_folder_need_not_have_every_class(photos, load, tmp_path):
    (tmp_path / "valid/dog").mkdir(parents=True)
    (tmp_path / "valid/dog/1.png").symlink_to(photos / "dog/0.png")
    data = load(eval="valid")
    assert data.samples == {"train": 12, "eval": 1}
    assert data.evaluation["evaluation"][0]["labels"] == 1
    os.rename(tmp_path / "valid/dog", tmp_path / "valid/owl")
    with pytest.raises(RequestError, match=r"Row 0 of valid has the label 'owl'"):
        load(eval="valid")


def test_a_parquet_file_with_images(photos, load, tmp_path):
    contents = [picture(colour=(row, 0, 0)) for row in range(10)]
    labels = ["a", "b"] * 5
    for name, images in {"bytes": contents, "records": [{"bytes": c, "path": None} for c in contents]}.items():
        Dataset.from_dict({"picture": images, "id": list(range(10)), "label": labels}).to_parquet(f"{name}.parquet")
        data = load(f"{name}.parquet")
        assert data.samples == {"train": 8, "eval": 2}
        assert data.evaluation["evaluation"][1]["pixels"][0, 0, 0] == 9
        assert data.provenance["columns"] == {"image": "picture", "label": "label"}


def test_rows_name_no_files_but_those_of_the_folder(photos, load):
    images = [{"bytes": None, "path": str(photos / "cat/0.png")}] * 10
    Dataset.from_dict({"image": images, "label": ["a", "b"] * 5}).to_parquet("paths.parquet")
    with pytest.raises(RequestError, match="is only the path"):
        load("paths.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (picture()[:40], r"photos/cat/9\.png is not a readable image"),
        (b"hello", r"photos/cat/9\.png is not a readable image"),
        (b"", r"photos/cat/9\.png is not a readable image"),
        (picture(size=(40, 40)), r"photos/cat/9\.png is an image of 40 x 40, 1,600 pixels.*task\.max_pixels"),
        (deep(), r"photos/cat/9\.png is an image of mode I;16; accepted: 8 bits a channel"),
    ],
    ids=["truncated", "no image", "empty", "large", "deep"],
)
def test_images_that_are_refused_by_the_name_of_their_file(photos, load, content, message):
    (photos / "cat/9.png").write_bytes(content)
    with pytest.raises(RequestError, match=message):
        load()


def test_images_that_train_and_evaluate_are_noted(photos, load):
    assert "repeat" not in load().provenance["note"]
    (photos / "dog/4.copy.png").write_bytes((photos / "dog/0.png").read_bytes())
    assert load().provenance["note"].endswith("1 of 2 evaluation rows repeat the image of a training row")


def test_options_that_are_refused(photos, load):
    for options, message in (
        ({"image": ["a"]}, r"task\.image=\['a'\] is not accepted"),
        ({"max_pixels": 0}, r"task\.max_pixels=0"),
        ({"center_crop": "middle"}, r"task\.center_crop=middle is not known"),
    ):
        with pytest.raises(RequestError, match=message):
            load(task=options)
    with pytest.raises(RequestError, match=r"text\.max_length=8 is not accepted"):
        load(max_length=8)
