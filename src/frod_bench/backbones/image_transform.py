"""What CLIP's processors do, in two halves: what is done to an image, and what is done to a batch."""

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
    """The shorter side to `size` pixels (bicubic), the middle square of it, then (x / 255 - mean) / std.

    Where the margins on the two sides of that square cannot be equal, `center_crop` says how the first one is rounded:
    `round` as torchvision and so open_clip do (halves to even), `floor` as Hugging Face's processor does.
    `resize` may be kept on disk, 3 bytes a pixel; `normalise(resize(image))` is what either of them gives, and
    `normalise(crop(image))` what open_clip's training transform does.
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
        """Return 0.9 to 1.0 of an RGB image, drawn by torch's generator, stretched to uint8 [3, size, size]."""
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
        """What `resize` depends on, for a cache."""
        whose = "open_clip" if self.center_crop == "round" else "transformers"
        return f"{whose} bicubic centre crop {self.size}"


def _through(steps: list[Callable[[Image.Image], Image.Image]], image: Image.Image) -> np.ndarray:
    for step in steps:
        image = step(image)
    return np.asarray(image).transpose(2, 0, 1)
