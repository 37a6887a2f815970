import os

import pytest
from PIL import Image

from frod_bench.errors import RequestError
from frod_bench.tasks.own.image_folder import read_image_folder


@pytest.fixture
def photos(tmp_path):
    for name in ("dog/b.png", "dog/a.JPG", "cat/1.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def read(folder, limit=10_000):
    return read_image_folder(folder, "task.train", limit)


def test_images_by_class_and_name(photos):
    named = read(photos)
    assert [os.path.relpath(image["path"], photos) for image in named.rows["image"]] == [
        "cat/1.png",
        "dog/a.JPG",
        "dog/b.png",
    ]
    assert named.rows["label"] == ["cat", "dog", "dog"]


def test_links_are_images_and_classes(photos, tmp_path):
    os.rename(photos / "cat", tmp_path / "far")
    (photos / "cat").symlink_to(tmp_path / "far")
    (photos / "dog/c.png").symlink_to(tmp_path / "far/1.png")
    assert read(photos).rows["label"] == ["cat", "dog", "dog", "dog"]


def test_what_file_managers_leave_and_notes_beside_the_classes(photos):
    for name in (".DS_Store", "cat/.DS_Store", "dog/Thumbs.db", "LICENSE.txt", "labels.csv"):
        (photos / name).write_text("x")
    (photos / "__MACOSX").mkdir()
    assert len(read(photos).rows) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "loose.png").write_text("x"), r"loose\.png is in no class: task\.train is a folder"),
        (lambda p: (p / "cat/notes.txt").write_text("x"), r"cat/notes\.txt is no image"),
        (lambda p: (p / "owl").mkdir(), "owl is empty"),
        (lambda p: (p / "cat/2020").mkdir(), "cat/2020 is a folder in the folder of a class"),
        (lambda p: (p / "cat/2.png").symlink_to(p / "gone.png"), r"cat/2\.png is a link to nothing"),
        (lambda p: (p / "cat/2.png").write_bytes(b"x" * 10_001), r"has 10,001 bytes; accepted: 10,000"),
        (lambda p: os.rename(p / "cat", p / "train"), r"holds splits \(train\).*type task\.train=.*photos/train"),
    ],
)
def test_what_is_neither_class_nor_image(photos, change, message):
    change(photos)
    with pytest.raises(RequestError, match=message):
        read(photos)


def test_a_folder_without_classes(tmp_path):
    with pytest.raises(RequestError, match="has no folders; accepted: one folder for each class"):
        read(tmp_path)
