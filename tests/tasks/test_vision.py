import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value, config
from PIL import Image as Pillow

from frod_bench.errors import RequestError
from frod_bench.tasks.base import RowRequest
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.local import LocalSource
from frod_bench.tasks.vision import ImageTask

NAMES = ["cat", "dog", "owl"]
WHOLE = RowRequest()


class Transform:
    size, key = 4, "middle 4"

    def resize(self, image):
        return np.asarray(image.resize((4, 4))).transpose(2, 0, 1)

    def crop(self, image):
        return self.resize(image) + np.uint8(100 * torch.randint(2, ()))

    def normalise(self, pixels):
        return pixels.float() / 255


class Cut(Transform):
    """The middle four columns of an image of the right height, the number of columns before them rounded."""

    def __init__(self, center_crop="round"):
        self.first, self.key = {"round": round, "floor": int}[center_crop], center_crop

    def with_center_crop(self, center_crop):
        return Cut(center_crop)

    def resize(self, image):
        left = self.first((image.width - 4) / 2)
        return np.asarray(image.crop((left, 0, left + 4, 4))).transpose(2, 0, 1)


def png(value, size=(6, 5)):
    file = io.BytesIO()
    Pillow.new("RGB", size, (value, value, value)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def task():
    def build(**values):
        return ImageTask(
            **{
                "name": "vision/toy",
                "suite": "vision",
                "repo": "somebody/toy",
                "config": "default",
                "image": "image",
                "label": "label",
                "label_names": NAMES,
                "train_split": "train",
                "eval_splits": ["test"],
                "metrics": ["accuracy"],
                "rows": {"train": 20, "test": 6},
                "max_pixels": 1500,
            }
            | values
        )

    return build


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Returns a function (split, images=None, labels=None, names=NAMES) that writes a split; row i has grey i."""
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))

    def save(split, images=None, labels=None, names=NAMES, column="image"):
        images = [png(row) for row in range(20 if split == "train" else 6)] if images is None else images
        labels = [row % 3 for row in range(len(images))] if labels is None else labels
        label = ClassLabel(names=names) if names else Value("int64")
        features = Features({column: Image(), "label": label, "more": Value("int32")})
        columns = {column: [{"bytes": image} for image in images], "label": labels, "more": [0] * len(images)}
        folder = tmp_path / "data/somebody/toy/default"
        folder.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(columns, features=features).to_parquet(folder / f"{split}.parquet")

    save("train")
    save("test")
    return save


@pytest.fixture
def load(task, tmp_path):
    def run(transform=None, task=task(), **options):  # noqa: B008 - a task is never changed
        return task.load(LocalSource(tmp_path / "data"), transform or Transform(), replace(WHOLE, **options))

    return run


def greys(rows):
    return [int(rows[row]["pixels"].max()) for row in range(len(rows))]


def test_rows_become_batches(write, load):
    data = load()
    assert data.num_labels == 3 and data.label_names == NAMES and data.metric.name == "accuracy"
    assert data.samples == {"train": 20, "eval": 6}
    assert greys(data.train) == list(range(20)) and greys(data.evaluation["test"]) == list(range(6))
    batch = data.collate([data.train[4], data.train[5]])
    assert batch["labels"].tolist() == [1, 2]
    assert batch["pixel_values"].shape == (2, 3, 4, 4)
    assert torch.allclose(batch["pixel_values"][1], torch.tensor(5 / 255))
    assert data.measure("test", [0, 1, 2, 0, 1, 2], data.evaluation["test"]._labels) == {"accuracy": 1.0}
    assert data.provenance["source"] == "local" and "note" not in data.provenance


def test_parts_of_the_rows(write, load):
    data = load(max_train=10, max_eval=4, holdout=True)
    assert data.samples["eval"] == len(data.evaluation["test"]) == 4
    assert data.samples["train"] + data.samples["holdout"] == 10
    both = greys(data.train) + greys(data.holdout)
    assert len(set(both)) == 10
    assert [label for rows in (data.train, data.holdout) for label in rows._labels] == [grey % 3 for grey in both]


def test_another_number_of_rows_is_noted(write, load, task):
    note = load(task=task(rows={"train": 20, "test": 99})).provenance["note"]
    assert note == "this copy of the data holds 6 of 99 test rows"


def test_class_names_are_those_of_the_data(write, load):
    write("train", names=["Cat", "Dog", "Owl"])
    assert load().label_names == ["Cat", "Dog", "Owl"]
    for split in ("train", "test"):
        write(split, names=["kitten", "dog", "owl"])
    data = load()
    assert data.label_names == ["kitten", "dog", "owl"]
    assert (
        data.provenance["note"] == "classes named otherwise than in task.label_names: 1, 'kitten' for 'cat' among them"
    )


def test_labels_count_by_their_names(write, load):
    write("train", names=["Owl", "Cat", "Dog"])
    data = load()
    assert data.label_names == ["Cat", "Dog", "Owl"]
    assert data.train._labels[:3] == [2, 0, 1] and data.evaluation["test"]._labels[:3] == [0, 1, 2]


def test_splits_with_other_classes_are_refused(write, load):
    write("train", names=["cat", "dog", "mouse"])
    with pytest.raises(RequestError, match=r"Class 2 is 'mouse' in somebody/toy/default/train and 'owl' in .*/test"):
        load()


def test_plain_numbers_are_labels_too(write, load):
    write("train", names=None)
    assert load().label_names == NAMES


def test_one_cache_serves_both_center_crops(task, write, load):
    columns = np.arange(7, dtype=np.uint8)[None, :, None].repeat(4, axis=0).repeat(3, axis=2)
    file = io.BytesIO()
    Pillow.fromarray(columns).save(file, format="PNG")
    write("test", images=[file.getvalue()])
    for _ in range(2):  # from the file, then from the cache
        for center_crop, first in ((None, 2), ("floor", 1), ("round", 2)):
            row = load(Cut(), task=task(center_crop=center_crop)).evaluation["test"][0]
            assert row["pixels"][0, 0].tolist() == list(range(first, first + 4))


def test_an_unknown_center_crop_is_refused(task):
    with pytest.raises(RequestError, match=r"task\.center_crop=flor is not known\. Did you mean floor"):
        task(center_crop="flor")


def test_training_images_are_cropped_anew_at_every_look(task, write, load):
    data = load(task=task(random_crop=True))
    looks = []
    for epoch in range(8):
        data.train.set_epoch(0, epoch)
        looks.append(greys(data.train))
    assert {tuple(sorted(set(seen))) for seen in zip(*looks, strict=True)} == {(row, row + 100) for row in range(20)}
    assert greys(data.evaluation["test"]) == list(range(6))
    data.train.set_epoch(0, 3)  # the same in any order, process and after any other draw
    assert [data.train[row]["pixels"][0, 0, 0] for row in reversed(range(20))] == looks[3][::-1]
    data.train.set_epoch(1, 3)
    assert greys(data.train) != looks[3]
    assert data.train.costly and not data.evaluation["test"].costly


@pytest.mark.parametrize(("held_back", "kept"), [([0.1, 5000], 18), ([0.5, 3], 17), ([0, 5], 20), (None, 20)])
def test_rows_that_are_held_back_are_not_trained_on(task, write, load, held_back, kept):
    data = load(task=task(held_back=held_back))
    assert data.samples == {"train": kept, "eval": 6} and len(set(greys(data.train))) == kept
    assert set(greys(load(task=task(held_back=held_back), max_train=4).train)) < set(greys(data.train))


@pytest.mark.parametrize("option", [{"held_back": 0.1}, {"held_back": [1.5, 5]}, {"random_crop": "yes"}])
def test_options_of_the_training_rows_are_checked(task, option):
    with pytest.raises(RequestError, match=f"task.{next(iter(option))}=.* is not accepted"):
        task(**option)


def test_a_corrupt_image_is_named_by_its_row_in_the_file(write, load):
    write("train", images=[png(row) if row != 17 else b"broken" for row in range(20)])
    with pytest.raises(RequestError, match="Row 17 of somebody/toy/default/train is not a readable image"):
        load()
    with pytest.raises(RequestError, match="Row 17 of somebody/toy/default/train"):
        load(max_train=19)


def test_the_limit_is_an_option_of_the_task(write, load, task):
    write("test", images=[png(0, size=(50, 40))])
    with pytest.raises(RequestError, match="Row 0 of somebody/toy/default/test is an image of 50 x 40"):
        load()
    assert len(load(task=task(max_pixels=2000)).evaluation["test"]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": "img"}, r"train has no column image; its columns are img, label, more\."),
        ({"images": []}, "train has no rows"),
        ({"names": ["cat", "dog"], "labels": [0] * 20}, "train has 2 classes; accepted: 3"),
        (
            {"names": None, "labels": [0] * 12 + [3] * 8},
            r"Row 12 of .*/train has label 3; accepted: 0",
        ),
        ({"names": None, "labels": [0, -1] * 10}, "Row 1 of somebody/toy/default/train has label -1"),
        ({"labels": [0, None] * 10}, "Row 1 of somebody/toy/default/train has no value in column label"),
    ],
)
def test_bad_rows(write, load, change, message):
    write("train", **change)
    with pytest.raises(RequestError, match=message):
        load()


def test_a_column_without_images(write, load, task):
    with pytest.raises(RequestError, match="Column more of somebody/toy/default/train is of type int32; accepted"):
        load(task=task(image="more"))


def test_a_row_without_an_image(write, load, tmp_path):
    file = tmp_path / "data/somebody/toy/default/test.parquet"
    rows = Dataset.from_dict(
        {"image": [{"bytes": png(1), "path": None}, None], "label": [0, 1]},
        features=Features(image=Image(), label=ClassLabel(names=NAMES)),
    )
    rows.to_parquet(file)
    with pytest.raises(RequestError, match="Row 1 of somebody/toy/default/test has no value in column image"):
        load()


class Named:
    """A source whose images are only the paths of files."""

    def __init__(self, path):
        self.path = str(path)

    def read(self, repo, config, split, schema):
        images = [{"bytes": None, "path": self.path}] * 2
        return Dataset.from_dict({"image": images, "label": [0, 1]}, features=schema)

    def provenance(self):
        return {"source": "made up"}


@pytest.mark.parametrize("name", ["elsewhere.png", "cache/../elsewhere.png"])
def test_rows_may_not_name_any_file(task, tmp_path, monkeypatch, name):
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "elsewhere.png").write_bytes(png(1))
    with pytest.raises(RequestError, match=r"only the path .*elsewhere\.png.*accepted: the bytes"):
        task().load(Named(tmp_path / name), Transform(), WHOLE)


def test_image_files_that_the_hub_has_brought_are_read(task, tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "images"))
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/a.png").write_bytes(png(1))
    assert len(task().load(Named(tmp_path / "cache/a.png"), Transform(), WHOLE).train) == 2
    with pytest.raises(RequestError, match=r"The image file .*gone\.png cannot be read"):
        task().load(Named(tmp_path / "cache/gone.png"), Transform(), WHOLE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 8}, r"text\.max_length=8 is not accepted: vision/toy has images"),
        ({"text": "pair"}, r"text\.format=pair is not accepted"),
        ({"transform": object()}, "has images, and the backbone reads text"),
    ],
)
def test_options_of_text(write, load, options, message):
    with pytest.raises(RequestError, match=message):
        load(**options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label_names": []}, r"task\.label_names is empty"),
        ({"metrics": []}, r"task\.metrics is empty"),
        ({"max_pixels": 0}, r"task\.max_pixels=0 is not accepted"),
        ({"max_pixels": "many"}, r"task\.max_pixels=many is not accepted"),
    ],
)
def test_a_task_that_cannot_be(task, values, message):
    with pytest.raises(RequestError, match=message):
        task(**values)


def test_generated_images_give_their_label_away(task, tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    names = [f"class {number}" for number in range(40)]  # more than there are rows to evaluate
    data = task(label_names=names).load(GeneratedSource(), Transform(), WHOLE)
    assert data.samples == {"train": 64, "eval": 32}
    assert data.train._labels[:3] == [0, 1, 2]
    assert not np.array_equal(data.train[0]["pixels"], data.train[1]["pixels"])
    assert not np.array_equal(data.train[0]["pixels"], data.train[40]["pixels"])
    assert "made-up rows" in data.provenance["note"]
