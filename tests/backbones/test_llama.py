"""The path of llama2_7b, on a small random LLaMA that save_pretrained wrote."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from frod_bench.backbones.hub import HubBackbone
from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.errors import RequestError

CONFIG = Path(__file__).parents[2] / "configs/backbone/llama2_7b.yaml"
ARCHITECTURE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 130,
}


@pytest.fixture
def directory(tmp_path):
    tiny = TinyBackbone("tiny", "llama", ARCHITECTURE, ["q_proj"], ["score"], ends_text=False)
    model, tokenizer = tiny.build(None, seed=0), tiny.processor()
    tokenizer.pad_token = None  # as LLaMA's
    tokenizer.model_max_length = int(1e30)
    model.config.pad_token_id = None
    model.save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


@pytest.fixture
def llama2(directory):
    """Returns a function (**changes) -> the backbone of the YAML with a local path."""
    config = {k: v for k, v in OmegaConf.to_container(OmegaConf.load(CONFIG)).items() if not k.startswith("_")}
    return lambda **changes: HubBackbone(**config | {"path": str(directory)} | changes)


def test_the_language_model_is_read_as_it_was_written(llama2, directory):
    backbone = llama2(dtype="float32")
    model = backbone.build(None, seed=0)
    ids = torch.tensor([[1, 20, 30]])
    tiny = TinyBackbone("tiny", "llama", ARCHITECTURE, ["q_proj"], ["score"], ends_text=False).build(None, seed=0)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids).logits, tiny(input_ids=ids).logits)
    assert all(any(name.endswith(t) for name, _ in model.named_modules()) for t in backbone.targets)


def test_a_tokenizer_without_padding_pads_with_its_end(llama2):
    tokenizer = llama2().processor()
    assert tokenizer.pad_token == tokenizer.eos_token == "</s>"
    assert tokenizer.model_max_length == 130


@torch.no_grad()
def test_a_classifier_reads_the_last_token_of_every_row(llama2):
    backbone = llama2(dtype="float32")
    model, tokenizer = backbone.build(3, seed=0).eval(), backbone.processor()
    texts = ["short", "a longer text"]
    together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    for text, logits in zip(texts, together, strict=True):
        alone = model(**tokenizer([text], return_tensors="pt")).logits[0]
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-5)
    head = {name for name, _ in model.named_parameters() if "score" in name}
    assert head == {"score.weight"} and model.score.weight.shape == (3, 32)


def test_weights_are_held_as_asked(llama2):
    model = llama2().build(2, seed=0)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.is_gradient_checkpointing and model.config._attn_implementation == "sdpa"
    plain = llama2(dtype="float32", gradient_checkpointing=False, attention="eager").build(2, seed=0)
    assert {p.dtype for p in plain.parameters()} == {torch.float32}
    assert not plain.is_gradient_checkpointing and plain.config._attn_implementation == "eager"


def test_checkpointing_changes_no_gradient(llama2):
    gradients = []
    batch = {"input_ids": torch.arange(5, 25).view(2, 10), "labels": torch.tensor([0, 1])}
    for checkpointing in (False, True):
        model = llama2(dtype="float32", gradient_checkpointing=checkpointing).build(2, seed=0).train()
        model(**batch).loss.backward()
        gradients.append(model.model.layers[0].mlp.up_proj.weight.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "int8"}, "backbone.dtype=int8 is not known"),
        ({"attention": "flash"}, r"backbone.attention=flash is not known\. Accepted: eager"),
        ({"gradient_checkpointing": "yes"}, "backbone.gradient_checkpointing=yes"),
    ],
)
def test_bad_options_are_named(llama2, change, message):
    with pytest.raises(RequestError, match=message):
        llama2(**change)


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash_attn is installed")
def test_an_attention_that_is_not_installed(llama2):
    with pytest.raises(RequestError, match=r"backbone.attention=flash_attention_2 .* sdpa"):
        llama2(attention="flash_attention_2").build(2, seed=0)
