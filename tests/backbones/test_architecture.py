"""What follows from an architecture's numbers is what its model has."""

import pytest
import torch

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.backbones.architecture import Architecture
from frod_bench.config.catalogue import read_group
from frod_bench.config.instantiate import build
from frod_bench.errors import RequestError
from frod_bench.methods.support.injection import find_targets
from frod_bench.module_names import in_matching_module

BACKBONES = {name: config for name, config in read_group("backbone").items() if "architecture" in config["facts"]}


@pytest.fixture(params=BACKBONES)
def name(request):
    return request.param


@pytest.fixture
def model(name):
    with torch.device("meta"):
        return build(BACKBONES[name], "backbones").skeleton(2, Architecture.of(BACKBONES[name]).layers)


def shapes_of(name):
    architecture = Architecture.of(BACKBONES[name])
    return sorted(architecture.target_shapes(BACKBONES[name]["targets"]) * architecture.layers)


def test_parameters_and_shapes_are_those_of_the_model(name, model):
    config = BACKBONES[name]
    body = sum(p.numel() for path, p in model.named_parameters() if not in_matching_module(path, config["head"]))
    assert body == config["facts"]["parameters"]
    found = find_targets(model, config["targets"], config["head"])
    assert shapes_of(name) == sorted(tuple(layer.weight.shape) for _, layer in found)


@pytest.mark.parametrize("paper", PAPER_BACKBONES)
def test_the_papers_backbones_have_the_same_shapes_in_transformers(paper):
    layers = PAPER_BACKBONES[paper].layers(BACKBONES[paper]["targets"])
    assert shapes_of(paper) == sorted((m, n) for m, n, _ in layers)


@pytest.mark.parametrize(
    ("name", "tokens"), [("clip_vit_b32", 50), ("clip_vit_l14", 257), ("vit_l16", 197), ("minilm", None)]
)
def test_an_image_is_its_patches_and_a_class_token(name, tokens):
    assert Architecture.of(BACKBONES[name]).tokens == tokens


@pytest.mark.parametrize("facts", [None, {}, {"architecture": {"model_type": "mamba"}}])
def test_a_backbone_of_unknown_shapes_is_refused(facts):
    with pytest.raises(RequestError, match=r"facts\.architecture"):
        Architecture.of({"name": "own", "facts": facts})
