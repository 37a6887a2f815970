import numpy as np
import pytest
import torch
from open_clip import image_transform
from PIL import Image
from transformers import CLIPImageProcessorPil

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


# with the shorter side at 32, the margins of these differ by 1, 1, 3, 3, 5 and 7 pixels, or are equal
@pytest.mark.parametrize("shape", [(32, 33), (65, 64), (32, 35), (39, 32), (70, 64), (97, 31), (40, 90), (64, 64)])
def test_with_floor_the_pixels_are_those_of_hugging_faces_processor(shape):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    transform = ImageTransform(32).with_center_crop("floor")
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    expected = processor(image, do_rescale=False, do_normalize=False)["pixel_values"][0]
    assert np.array_equal(transform.resize(image), expected)
    ours = transform.normalise(torch.from_numpy(np.stack([transform.resize(image)])))
    torch.testing.assert_close(ours[0], torch.as_tensor(processor(image)["pixel_values"][0]))


def test_the_two_crops_differ_where_a_margin_is_odd():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 35, 3), dtype=np.uint8))
    floor, rounded = (ImageTransform(32, center_crop=how).resize(image) for how in ("floor", "round"))
    assert np.array_equal(floor[:, :, 1:], rounded[:, :, :-1])


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
    assert ImageTransform(32).key != ImageTransform(32).with_center_crop("floor").key
    assert ImageTransform(32).key == ImageTransform(32, mean=(0.5, 0.5, 0.5)).key
