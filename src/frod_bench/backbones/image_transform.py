"""CLIP's preprocessing in two halves: one for single images, which can be cached, and one for batches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, image_transform
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import normalize


@dataclass(frozen=True)
class ImageTransform:
    """Resize the shorter side to `size` pixels (bicubic), crop the central square, then compute (x / 255 - mean) / std.

    When the two margins of that square cannot be equal, `center_crop` says how the first is rounded: `round` (halves to
    even) as in torchvision and open_clip, or `floor` as in Hugging Face's processor. `normalise(resize(image))` equals
    their evaluation transforms, and `normalise(crop(image))` equals open_clip's training transform. The result of
    `resize` takes 3 bytes per pixel and can be cached.
    """

    size: int
    mean: tuple[float, float, float] = OPENAI_DATASET_MEAN
    std: tuple[float, float, float] = OPENAI_DATASET_STD
    center_crop: str = "round"

    def with_center_crop(self, center_crop: str) -> "ImageTransform":
        """Return the same transform with another `center_crop`."""
        return replace(self, center_crop=center_crop)

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as uint8 [3, size, size]."""
        return _through(self._geometry, image)

    def crop(self, image: Image.Image) -> np.ndarray:
        """Return a random crop of 90 to 100 % of an RGB image, drawn by torch's generator, as uint8 [3, size, size]."""
        return _through(self._training_geometry, image)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return uint8 images [batch, 3, size, size] as float32 of that shape."""
        return normalize(pixels.to(torch.float32).div_(255), self.mean, self.std, inplace=True)

    @cached_property
    def _geometry(self) -> list[Callable[[Image.Image], Image.Image]]:
        resize, round_crop, _, _, _ = image_transform(self.size, is_train=False).transforms  # RGB, tensor, normalised
        return [resize, self._floor_crop if self.center_crop == "floor" else round_crop]

    def _floor_crop(self, image: Image.Image) -> Image.Image:
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return image.crop((left, top, left + self.size, top + self.size))

    @cached_property
    def _training_geometry(self) -> list[Callable[[Image.Image], Image.Image]]:
        *geometry, _, _, _ = image_transform(self.size, is_train=True).transforms
        return geometry

    @property
    def key(self) -> str:
        """The parameters of `resize`, for the key of a cache."""
        whose = "open_clip" if self.center_crop == "round" else "transformers"
        return f"{whose} bicubic centre crop {self.size}"


def _through(steps: list[Callable[[Image.Image], Image.Image]], image: Image.Image) -> np.ndarray:
    for step in steps:
        image = step(image)
    return np.asarray(image).transpose(2, 0, 1)
