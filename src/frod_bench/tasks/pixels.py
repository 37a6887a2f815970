"""Images that are decoded and resized once, then read from a cache on disk."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import xxhash
from PIL import Image
from torch import Tensor

from frod_bench.disk_cache import cache_folder, exclusively, say_not_kept, say_unreadable
from frod_bench.files import replacing
from frod_bench.tasks.base import Batch

CENTER_CROPS = ("floor", "round")
_SUM_BYTES = 8  # of the checksum after every image
_SPARE = 2**30  # bytes that a cache leaves free on the disk


class Transform(Protocol):
    """The processor of an image backbone."""

    size: int
    key: str  # what `resize` depends on

    def with_center_crop(self, center_crop: str) -> "Transform":
        """Return the same transform with another rounding of the centre crop, one of `CENTER_CROPS`."""

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as uint8 [3, size, size]."""

    def crop(self, image: Image.Image) -> np.ndarray:
        """Return a random part of an RGB image as uint8 [3, size, size]."""

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return uint8 images [batch, 3, size, size] as float32 of that shape."""


class PixelRows:
    """Rows of resized images, uint8 [3, size, size] each, with labels; `costly` if every access decodes."""

    column_names = ("pixels", "labels")

    def __init__(self, pixels: Sequence[np.ndarray], labels: Sequence[int]):
        self._pixels, self._labels = pixels, labels
        self.costly = isinstance(pixels, DecodedPixels)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"pixels": self._pixels[row], "labels": self._labels[row]}

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Make the random crops of an epoch depend only on these numbers and the row, not on workers or order."""
        if isinstance(self._pixels, CroppedPixels):
            self._pixels.drawn_from = (seed, epoch)


class Collate:
    """Collate rows: `pixel_values` float32 [batch, 3, size, size] and `labels` [batch]."""

    def __init__(self, transform: Transform):
        self._transform = transform

    def __call__(self, rows: list[dict[str, Any]]) -> Batch:
        pixels = torch.from_numpy(np.stack([row["pixels"] for row in rows]))
        return {"pixel_values": self._transform.normalise(pixels), "labels": torch.tensor([r["labels"] for r in rows])}


class _Stored(Sequence[np.ndarray]):
    """Read images from the cache. A damaged one is decoded, and the entry is rebuilt by the next run."""

    def __init__(self, entry: np.ndarray, file: Path, size: int, decoded: Sequence[np.ndarray]):
        self._entry, self._file, self._shape, self._decoded = entry, file, (3, size, size), decoded

    def __len__(self) -> int:
        return len(self._entry)

    def __getitem__(self, row: int) -> np.ndarray:  # type: ignore[override]  # no slices
        stored = self._entry[row]
        pixels = stored[:-_SUM_BYTES]
        if stored[-_SUM_BYTES:].tobytes() == _checksum(pixels):
            return pixels.reshape(self._shape)
        with contextlib.suppress(OSError):
            self._file.unlink()
        return self._decoded[row]


class DecodedPixels(Sequence[np.ndarray]):
    """Decode at every access, where the cache cannot be written."""

    def __init__(self, encoded: Sequence[bytes], resized: Callable[[int, bytes], np.ndarray]):
        self._encoded, self._resized = encoded, resized

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, row: int) -> np.ndarray:  # type: ignore[override]  # no slices
        return self._resized(row, self._encoded[row])


class CroppedPixels(DecodedPixels):
    """Decode and crop at every access; the crop depends only on `drawn_from` and the row number."""

    drawn_from: tuple[int, ...] = (0, 0)

    def __getitem__(self, row: int) -> np.ndarray:  # type: ignore[override]  # no slices
        seed = np.random.SeedSequence([*self.drawn_from, row]).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(seed >> 1))
            return super().__getitem__(row)


def cached_pixels(
    encoded: Sequence[bytes], transform: Transform, decode: Callable[[int, bytes], Image.Image]
) -> Sequence[np.ndarray]:
    """Return the resized images, from the cache if the same bytes went through the same transform before.

    `decode` takes a row's number and bytes. Processes that need the same images wait for the first of them to make
    them. If the cache cannot be written, for lack of permission or space, a notice says so and every access decodes.
    """

    def resized(row: int, content: bytes) -> np.ndarray:
        return transform.resize(decode(row, content))

    shape = (len(encoded), 3 * transform.size**2 + _SUM_BYTES)
    file = cache_folder("images") / f"{entry_key(encoded, transform.key)}.npy"
    with exclusively(file) as hindrance:
        stored = _read(file, shape)
        if stored is None:
            hindrance = hindrance or _write(file, shape, encoded, resized)
            stored = _read(file, shape) if hindrance is None else None
        if hindrance is not None and stored is None:
            say_not_kept(file, hindrance)
    decoded = DecodedPixels(encoded, resized)
    return decoded if stored is None else _Stored(stored, file, transform.size, decoded)


def entry_key(encoded: Sequence[bytes], options: str) -> str:
    """Return 32 hex digits that depend on the bytes of all images, their order and the options."""
    digest = xxhash.xxh3_128(options.encode())
    for content in encoded:
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _read(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    try:
        stored = np.load(file, mmap_mode="r", allow_pickle=False)
    except PermissionError as error:
        say_unreadable(file, error)
        return None
    except (OSError, ValueError, EOFError):
        return None
    return stored if stored.shape == shape and stored.dtype == np.uint8 else None


def _write(
    file: Path, shape: tuple[int, int], encoded: Sequence[bytes], resized: Callable[[int, bytes], np.ndarray]
) -> OSError | None:
    """Write the images to a temporary file and move it into place; return the error if that fails, else None."""
    if shutil.disk_usage(file.parent).free < np.prod(shape) + _SPARE:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        with replacing(file) as made:
            pixels = np.lib.format.open_memmap(made, mode="w+", dtype=np.uint8, shape=shape)
            with made.open("rb+") as stream:  # a full disk would kill the process without a message
                os.posix_fallocate(stream.fileno(), 0, pixels.offset + pixels.nbytes)
            with ThreadPoolExecutor(_cores()) as pool:  # Pillow decodes and resizes without the interpreter's lock
                for row, image in enumerate(pool.map(lambda row: resized(row, encoded[row]), range(len(encoded)))):
                    pixels[row, :-_SUM_BYTES] = image.reshape(-1)
                    pixels[row, -_SUM_BYTES:] = np.frombuffer(_checksum(pixels[row, :-_SUM_BYTES]), dtype=np.uint8)
            pixels.flush()
    except OSError as error:
        return error
    return None


def _checksum(pixels: np.ndarray) -> bytes:
    return xxhash.xxh3_64_digest(np.ascontiguousarray(pixels).data)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
