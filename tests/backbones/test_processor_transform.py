"""Both halves together are what the model's own image processor computes."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from frod_bench.backbones.processor_transform import ProcessorTransform
from frod_bench.errors import RequestError

PROCESSORS = {
    "vit": ViTImageProcessorPil(size={"height": 24, "width": 24}),
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 24, "width": 24}),
    "convnext": ConvNextImageProcessorPil(size={"shortest_edge": 24}, crop_pct=0.8),
    "unscaled": ViTImageProcessorPil(size={"height": 24, "width": 24}, do_normalize=False, do_rescale=False),
}


def image(size=(61, 47)):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


def saved(processor, folder):
    processor.save_pretrained(folder)
    return ProcessorTransform(folder)


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("size", [(61, 47), (20, 90)])
def test_it_computes_what_the_processor_does(name, size, tmp_path):
    transform = saved(PROCESSORS[name], tmp_path)
    pixels = transform.resize(image(size))
    assert transform.size == 24 and pixels.shape == (3, 24, 24) and pixels.dtype == np.uint8
    expected = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")(image(size), return_tensors="pt")
    found = transform.normalise(torch.from_numpy(pixels)[None])
    torch.testing.assert_close(found, expected["pixel_values"].float(), rtol=1e-5, atol=1e-5)


def test_its_options_are_in_the_key_of_a_cache(tmp_path):
    keys = {saved(processor, tmp_path / name).key for name, processor in PROCESSORS.items()}
    assert len(keys) == len(PROCESSORS)


def test_a_random_crop_is_drawn_by_torch(tmp_path):
    transform = saved(PROCESSORS["vit"], tmp_path)
    crops = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        crops.append(transform.crop(image()))
    assert crops[0].shape == (3, 24, 24) and crops[0].dtype == np.uint8
    assert (crops[0] == crops[1]).all() and (crops[0] != crops[2]).any()


def test_it_crops_as_transformers_does_and_in_no_other_way(tmp_path):
    transform = saved(PROCESSORS["clip"], tmp_path)
    assert transform.with_center_crop("floor") is transform
    with pytest.raises(RequestError, match="center_crop=round is not accepted"):
        transform.with_center_crop("round")


def test_images_of_several_sizes_are_refused(tmp_path):
    with pytest.raises(RequestError, match="RGB squares of one size"):
        saved(CLIPImageProcessorPil(size={"shortest_edge": 24}, do_center_crop=False), tmp_path)


def test_a_broken_description_is_refused(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(RequestError, match=r"image processor in .* cannot be used"):
        ProcessorTransform(tmp_path)
