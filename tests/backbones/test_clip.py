"""CLIP by name, from a checkpoint of open_clip or of transformers, against both libraries."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPForImageClassification, CLIPModel

from frod_bench.backbones import clip_weights
from frod_bench.backbones.clip import ClipBackbone
from frod_bench.errors import RequestError

TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
NAMES = ["cat", "dog", "red and white circle"]
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
VISION = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = VISION | {"vocab_size": 49408, "max_position_embeddings": 77, "eos_token_id": 49407}


@pytest.fixture(scope="module", autouse=True)
def tiny_config(tmp_path_factory):
    """A CLIP of two layers that open_clip knows by the name tiny-clip."""
    part = {"width": 32, "layers": 2}
    config = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": part | {"image_size": 32, "patch_size": 8, "head_width": 16},
        "text_cfg": part | {"context_length": 77, "vocab_size": 49408, "heads": 2},
    }
    file = tmp_path_factory.mktemp("configs") / "tiny-clip.json"
    file.write_text(json.dumps(config))
    open_clip.add_model_config(file)


@pytest.fixture(scope="module")
def theirs():
    """A random CLIP of transformers of the same sizes, no weight of which is zero or one."""
    config = CLIPConfig(
        vision_config=VISION | {"image_size": 32, "patch_size": 8}, text_config=TEXT, projection_dim=16, num_labels=3
    )
    torch.manual_seed(0)
    models = CLIPForImageClassification(config).eval(), CLIPModel(config).eval()
    with torch.no_grad():
        for model in models:
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return models


def make(**values):
    return ClipBackbone("tiny", "tiny-clip", TARGETS, ["classifier"], **{"pretrained": None} | values)


def test_the_logits_of_transformers_classifier(theirs, tmp_path):
    classifier = theirs[0]
    classifier.save_pretrained(tmp_path)
    model = make(path=str(tmp_path)).build(3, seed=0)
    model.classifier.load_state_dict(classifier.classifier.state_dict())
    with torch.no_grad():
        ours, expected = model(IMAGES, torch.tensor([0, 2])), classifier(IMAGES, torch.tensor([0, 2]))
    assert expected.logits.std() > 0.1
    assert torch.allclose(ours.logits, expected.logits, rtol=0, atol=1e-5)
    assert ours.loss.item() == pytest.approx(expected.loss.item(), abs=1e-5)


def test_the_embeddings_of_transformers_image_and_text(theirs, tmp_path):
    theirs[1].save_pretrained(tmp_path)
    backbone = make(path=str(tmp_path), head_init="text", class_names=NAMES)
    model = backbone.build(3, seed=0)
    tokens = open_clip.get_tokenizer("tiny-clip")([f"a photo of a {name}." for name in NAMES])
    with torch.no_grad():
        expected = theirs[1](input_ids=tokens, pixel_values=IMAGES).logits_per_image
        assert torch.allclose(model(IMAGES).logits, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "anything.pt"])
def test_a_checkpoint_of_open_clip(tmp_path, name):
    torch.manual_seed(3)
    whole = open_clip.CLIP(**open_clip.get_model_config("tiny-clip")).eval()
    save = save_file if name.endswith("safetensors") else torch.save
    save(whole.state_dict(), tmp_path / name)
    path = tmp_path if name.startswith("open_clip") else tmp_path / name
    backbone = make(path=str(path), head_init="text", class_names=NAMES)
    with torch.no_grad():
        text = whole.encode_text(open_clip.get_tokenizer("tiny-clip")([f"a photo of a {n}." for n in NAMES]))
        expected = whole.logit_scale.exp() * normalize(whole.encode_image(IMAGES)) @ normalize(text).T
        assert torch.allclose(backbone.build(3, seed=0)(IMAGES).logits, expected, rtol=0, atol=1e-5)
    assert backbone.provenance()["source"] == "local"
    assert len(backbone.provenance()["fingerprint"]) == 64


def test_the_seed_draws_the_head_alone():
    one, same, other = (make().build(3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.classifier.weight, same.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert torch.equal(one.vision_model.conv1.weight, other.vision_model.conv1.weight)
    assert make().provenance()["source"] == "random"


def test_the_processor_is_open_clips_transform():
    assert make().processor().size == 32


@pytest.mark.parametrize("tag", ["openai", "laion2b_s32b_b82k"])
def test_colours_are_normalised_as_the_weights_were_trained(tag):
    transform = ClipBackbone("x", "ViT-L-14", TARGETS, ["classifier"], pretrained=tag).processor()
    known = open_clip.get_pretrained_cfg("ViT-L-14", tag)
    assert (transform.mean, transform.std) == (known["mean"], known["std"])
    assert (transform.mean == (0.5, 0.5, 0.5)) == (tag != "openai")


def test_weights_of_another_model(theirs, tmp_path):
    tensors = dict(open_clip.CLIP(**open_clip.get_model_config("tiny-clip")).state_dict())
    tensors["visual.conv1.weight"] = torch.zeros(32, 3, 16, 16)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RequestError, match=r"do not fit tiny-clip: 1 of \d+ tensors .* visual\.conv1\.weight among"):
        make(path=str(tmp_path)).build(3, seed=0)


def test_a_classifier_has_no_text_to_start_a_head_from(theirs, tmp_path):
    theirs[0].save_pretrained(tmp_path)
    with pytest.raises(RequestError, match="do not fit tiny-clip"):
        make(path=str(tmp_path), head_init="text", class_names=NAMES).build(3, seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"head_init": "texts"}, r"head_init=texts is not known\. Did you mean text"),
        ({"model": "ViT-B-23"}, r"backbone\.model=ViT-B-23 is not known\. Did you mean ViT-B-"),
    ],
)
def test_a_wrong_word(values, message):
    words = {"model": "tiny-clip"} | values
    with pytest.raises(RequestError, match=message):
        ClipBackbone("tiny", words.pop("model"), TARGETS, ["classifier"], **words)


@pytest.mark.parametrize(
    "values", [{"class_names": None}, {"class_names": ["one"]}, {"class_names": NAMES, "prompt": "a photo"}]
)
def test_a_text_head_needs_names_and_a_prompt(values):
    with pytest.raises(RequestError, match="needs a name for each of the 3 classes"):
        make(head_init="text", **values).build(3, seed=0)


@pytest.mark.parametrize("model", ["RN50", "ViT-B-16-SigLIP", "coca_ViT-B-32", "convnext_base"])
def test_a_model_that_is_no_plain_clip_with_a_vision_transformer(model):
    with pytest.raises(RequestError, match=f"{model} is no plain CLIP with a vision transformer"):
        ClipBackbone("x", model, TARGETS, ["classifier"], pretrained=None).build(3, seed=0)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(clip_weights, "hub_reachable", lambda: False)
    with pytest.raises(RequestError, match=r"not on this machine and the hub cannot be reached\..*backbone\.path"):
        clip_weights.hub_file("ViT-B-32-quickgelu", "openai")
    with pytest.raises(RequestError, match=r"pretrained=open is not known for .*Did you mean openai"):
        clip_weights.hub_file("ViT-B-32-quickgelu", "open")
    with pytest.raises(RequestError, match=r"holds no CLIP weights\. Accepted"):
        clip_weights.local_file(str(tmp_path))
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(RequestError, match="cannot be read as weights"):
        clip_weights.read_weights(tmp_path / "broken.safetensors")
