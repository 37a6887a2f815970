import pytest

from frod_bench.backbones.tiny import TinyBackbone

TARGETS = ["query", "key", "value", "output.dense", "intermediate.dense"]


@pytest.fixture
def tiny():
    """A tiny random RoBERTa."""
    architecture = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 66,
        "type_vocab_size": 1,
    }
    return TinyBackbone("tiny", "roberta", architecture, TARGETS, ["classifier"])


@pytest.fixture
def saved(tiny, tmp_path):
    """A directory as save_pretrained of a three-class model and its tokenizer leave it."""
    tiny.build(3, seed=5).save_pretrained(tmp_path / "model")
    tiny.processor().save_pretrained(tmp_path / "model")
    return tmp_path / "model"
