"""The cache of resized images: found again, never wrong, never in the way."""

import errno
import os
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.tasks.pixels import Collate, PixelRows, cached_pixels, entry_key

ENCODED = [b"a", b"bb", b"ccc", b"dddd", b"eeeee"]


class Transform:
    """Makes grey squares of the number that stands for an image."""

    size, key = 2, "grey 2"

    def resize(self, image):
        return np.full((3, self.size, self.size), image, dtype=np.uint8)

    def normalise(self, batch):
        return batch.float()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/images"


@pytest.fixture
def decode():
    """Decodes an image to its number of bytes and counts how often."""
    seen = []

    def length(row, content):
        seen.append(row)
        return len(content)

    length.seen = seen
    return length


def values(images):
    return [int(image.max()) for image in (images[row] for row in range(len(images)))]


def test_an_image_is_decoded_once(decode):
    first, again = (cached_pixels(ENCODED, Transform(), decode) for _ in range(2))
    assert values(first) == values(again) == [1, 2, 3, 4, 5]
    assert sorted(decode.seen) == [0, 1, 2, 3, 4]


def test_nothing_but_the_entry_is_left(decode, own_cache):
    cached_pixels(ENCODED, Transform(), decode)
    assert [file.suffix for file in own_cache.iterdir()] == [".npy"]


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_a_damaged_entry_is_made_again(decode, own_cache, damage):
    cached_pixels(ENCODED, Transform(), decode)
    (file,) = own_cache.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert values(cached_pixels(ENCODED, Transform(), decode)) == [1, 2, 3, 4, 5]
    assert len(decode.seen) == 10


def test_a_flipped_bit_costs_one_image_and_the_entry(decode, own_cache):
    cached_pixels(ENCODED, Transform(), decode)
    (file,) = own_cache.glob("*.npy")
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(content)
    images = cached_pixels(ENCODED, Transform(), decode)
    assert values(images) == [1, 2, 3, 4, 5]
    assert len(decode.seen) == 6
    assert not file.exists()
    assert values(cached_pixels(ENCODED, Transform(), decode)) == [1, 2, 3, 4, 5]
    assert len(decode.seen) == 11


def test_the_key_follows_bytes_order_bounds_and_options():
    keys = {
        entry_key([b"a", b"b"], "x"),
        entry_key([b"b", b"a"], "x"),
        entry_key([b"ab"], "x"),
        entry_key([b"a", b"c"], "x"),
        entry_key([b"a", b"b"], "y"),
    }
    assert len(keys) == 5
    assert entry_key([b"a", b"b"], "x") in keys


def test_a_bad_image_leaves_no_entry_behind(own_cache):
    def refuse(row, content):
        raise RequestError(f"row {row}")

    with pytest.raises(RequestError, match="row 0"):
        cached_pixels(ENCODED, Transform(), refuse)
    assert list(own_cache.iterdir()) == []


def test_a_full_disk_costs_the_cache_and_not_the_run(decode, own_cache, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**30))
    images = cached_pixels(ENCODED, Transform(), decode)
    assert decode.seen == []
    assert values(images) == [1, 2, 3, 4, 5]
    assert list(own_cache.glob("*.npy")) == []
    assert f"The cache {own_cache} cannot be written (No space left on device)" in capsys.readouterr().err


def test_a_disk_that_fills_up_is_met_before_the_images_are_decoded(decode, own_cache, monkeypatch):
    """A page of a mapped file that finds no room would end the process with SIGBUS."""

    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    images = cached_pixels(ENCODED, Transform(), decode)
    assert decode.seen == []
    assert values(images) == [1, 2, 3, 4, 5]
    assert list(own_cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(decode, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "file"))
    assert values(cached_pixels(ENCODED, Transform(), decode)) == [1, 2, 3, 4, 5]


def test_who_asks_at_once_waits_for_the_one_who_makes_it(decode):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(values(cached_pixels(ENCODED, Transform(), decode))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1, 2, 3, 4, 5]] * 4
    assert len(decode.seen) == 5


def test_a_loader_gives_the_same_batches_with_and_without_processes(decode):
    rows = PixelRows(cached_pixels(ENCODED, Transform(), decode), [4, 3, 2, 1, 0])
    for workers in (0, 1):
        loader = torch.utils.data.DataLoader(rows, batch_size=3, num_workers=workers, collate_fn=Collate(Transform()))
        first, second = loader
        assert first["pixel_values"].shape == (3, 3, 2, 2)
        assert first["pixel_values"].amax((1, 2, 3)).tolist() == [1, 2, 3]
        assert second["labels"].tolist() == [1, 0]
    assert len(rows) == 5
