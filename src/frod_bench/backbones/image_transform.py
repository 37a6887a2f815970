"""open_clip's transforms in two halves: what is done to an image, and what is done to a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, image_transform
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import normalize


@dataclass(frozen=True)
class ImageTransform:
    """The shorter side to `size` pixels (bicubic), the middle square of it, then (x / 255 - mean) / std.

    `resize` may be kept on disk, 3 bytes a pixel; `normalise(resize(image))` is what open_clip's transform gives, and
    `normalise(crop(image))` what its training transform does.
    """

    size: int
    mean: tuple[float, float, float] = OPENAI_DATASET_MEAN
    std: tuple[float, float, float] = OPENAI_DATASET_STD

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as uint8 [3, size, size]."""
        return _through(self._geometry, image)

    def crop(self, image: Image.Image) -> np.ndarray:
        """Return 0.9 to 1.0 of an RGB image, drawn by torch's generator, stretched to uint8 [3, size, size]."""
        return _through(self._training_geometry, image)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return uint8 images [batch, 3, size, size] as float32 of that shape."""
        return normalize(pixels.to(torch.float32).div_(255), self.mean, self.std, inplace=True)

    @cached_property
    def _geometry(self) -> list[Callable[[Image.Image], Image.Image]]:
        *geometry, _, _, _ = image_transform(self.size, is_train=False).transforms  # to RGB, to a tensor, normalised
        return geometry

    @cached_property
    def _training_geometry(self) -> list[Callable[[Image.Image], Image.Image]]:
        *geometry, _, _, _ = image_transform(self.size, is_train=True).transforms
        return geometry

    @property
    def key(self) -> str:
        """What `resize` depends on, for a cache."""
        return f"open_clip bicubic centre crop {self.size}"


def _through(steps: list[Callable[[Image.Image], Image.Image]], image: Image.Image) -> np.ndarray:
    for step in steps:
        image = step(image)
    return np.asarray(image).transpose(2, 0, 1)
