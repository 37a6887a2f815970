"""open_clip's evaluation transform in two halves: what is done once an image, and what is done a batch."""

from dataclasses import dataclass

import numpy as np
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, image_transform
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class ImageTransform:
    """The shorter side to `size` pixels (bicubic), the middle square of it, then (x / 255 - mean) / std.

    `resize` may be kept on disk, 3 bytes a pixel; `normalise(resize(image))` is what open_clip's transform gives.
    """

    size: int
    mean: tuple[float, float, float] = OPENAI_DATASET_MEAN
    std: tuple[float, float, float] = OPENAI_DATASET_STD

    def __post_init__(self) -> None:
        *geometry, _, _, normalise = image_transform(self.size, is_train=False, mean=self.mean, std=self.std).transforms
        object.__setattr__(self, "_geometry", geometry)
        object.__setattr__(self, "_normalise", normalise)

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as uint8 [size, size, 3]."""
        for step in self._geometry:
            image = step(image)
        return np.asarray(image)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return uint8 images [batch, size, size, 3] as float32 [batch, 3, size, size]."""
        return self._normalise(pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32).div_(255))

    @property
    def key(self) -> str:
        """What `resize` depends on, for a cache."""
        return f"open_clip bicubic centre crop {self.size}"
