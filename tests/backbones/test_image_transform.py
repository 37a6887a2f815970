import numpy as np
import pytest
import torch
from open_clip import image_transform
from PIL import Image

from frod_bench.backbones.image_transform import ImageTransform


@pytest.mark.parametrize("shape", [(64, 64), (40, 90), (97, 31), (8, 8), (1, 1)])
@pytest.mark.parametrize("size", [32, 33])
def test_both_halves_together_are_open_clips_transform(shape, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image, transform = Image.fromarray(pixels), ImageTransform(size)
    resized = transform.resize(image)
    assert (resized.shape, resized.dtype) == ((3, size, size), np.uint8)
    batch = transform.normalise(torch.from_numpy(np.stack([resized, 255 - resized])))
    expected = image_transform(size, is_train=False)(image)
    assert torch.equal(batch[0], expected)
    assert batch.shape == (2, 3, size, size) and batch.dtype == torch.float32


def test_crops_are_those_of_open_clips_training_transform():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 80, 3), dtype=np.uint8))
    transform = ImageTransform(32)
    torch.manual_seed(0)
    cropped = [transform.crop(image) for _ in range(2)]
    assert not np.array_equal(*cropped)
    torch.manual_seed(0)
    expected = torch.stack([image_transform(32, is_train=True)(image) for _ in range(2)])
    assert torch.equal(transform.normalise(torch.from_numpy(np.stack(cropped))), expected)


def test_the_key_tells_what_resizing_depends_on():
    assert ImageTransform(32).key != ImageTransform(33).key
    assert ImageTransform(32).key == ImageTransform(32, mean=(0.5, 0.5, 0.5)).key
