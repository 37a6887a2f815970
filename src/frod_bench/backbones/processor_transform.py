"""The preprocessing of an image model by its own processor of transformers, in the two halves that tasks use."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from transformers import AutoImageProcessor, BaseImageProcessor

from frod_bench.backbones.base import silence_transformers
from frod_bench.errors import RequestError

_SHAPES = ((48, 64), (64, 48))  # a wide and a tall image, to see what the processor makes of them
_CROPPED = (0.9, 1.0)  # the part of an image that open_clip's training transform keeps


class ProcessorTransform:
    """Resizes and crops with the `processor` in a model directory, on PIL images where it can; then scales the batch.

    The processor's scaling is affine in each channel, so it is measured on a black and on a white image and needs no
    knowledge of the processor's options. Raises RequestError for a processor that cannot be read, or whose images are
    not all RGB squares of one size.
    """

    def __init__(self, directory: Path):
        try:
            with silence_transformers():
                self.processor: BaseImageProcessor = AutoImageProcessor.from_pretrained(
                    directory, backend="pil", trust_remote_code=False
                )
            black, white = (
                self._call(Image.new("RGB", size, colour))
                for size, colour in zip(_SHAPES, ("black", "white"), strict=True)
            )
        except Exception as error:  # the library raises many types for files that it did not write
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise RequestError(f"The image processor in {directory} cannot be used: {reason}") from error
        if black.shape != white.shape or black.ndim != 3 or black.shape[0] != 3 or black.shape[1] != black.shape[2]:
            raise RequestError(
                f"The image processor in {directory} makes images of {list(black.shape)} and {list(white.shape)} from a"
                " wide and a tall one; accepted: RGB squares of one size. Give it a size with a height and a width."
            )
        self.size = int(black.shape[1])
        shift, most = (torch.from_numpy(corner[:, 0, 0]).float() for corner in (black, white))
        self._shift, self._scale = shift, (most - shift) / 255

    @cached_property
    def key(self) -> str:
        """The parameters of `resize`, for the key of a cache."""
        options = json.dumps(self.processor.to_dict(), sort_keys=True, default=str)
        return f"{type(self.processor).__name__} of transformers {transformers.__version__} {options}"

    def with_center_crop(self, center_crop: str) -> "ProcessorTransform":
        """Return itself: it crops as transformers does, `floor`. Raises RequestError for another rounding."""
        if center_crop != "floor":
            raise RequestError(
                f"task.center_crop={center_crop} is not accepted: the model's own processor crops. Leave it out."
            )
        return self

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as uint8 [3, size, size]."""
        return self._call(image, do_rescale=False, do_normalize=False).astype(np.uint8)

    def crop(self, image: Image.Image) -> np.ndarray:
        """Return a random crop of 90 to 100 % of an RGB image, drawn by torch's generator, as uint8 [3, size, size]."""
        return np.asarray(self._random_crop(image)).transpose(2, 0, 1)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return uint8 images [batch, 3, size, size] as float32 of that shape, scaled as the processor does."""
        shift, scale = (values.to(pixels.device)[:, None, None] for values in (self._shift, self._scale))
        return pixels.to(torch.float32) * scale + shift

    @cached_property
    def _random_crop(self) -> RandomResizedCrop:
        resample = getattr(self.processor, "resample", None)
        modes = {Image.Resampling.NEAREST: "nearest", Image.Resampling.BILINEAR: "bilinear"}
        mode = InterpolationMode(modes.get(resample, "bicubic"))  # type: ignore[arg-type]  # an int equals its name
        return RandomResizedCrop(self.size, scale=_CROPPED, interpolation=mode)

    def _call(self, image: Image.Image, **options: Any) -> np.ndarray:
        return self.processor(image, return_tensors="np", **options)["pixel_values"][0]
