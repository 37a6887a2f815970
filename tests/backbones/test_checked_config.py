"""Model directories from anybody: whatever their files say, a sentence, soon, and before anything large is built."""

import json
import os
import time

import pytest
from safetensors.torch import load_file, save_file

from frod_bench.backbones.checked_config import read_config
from frod_bench.backbones.hub import HubBackbone
from frod_bench.backbones.shards import ModelShards
from frod_bench.errors import RequestError

SIZES = ["num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "vocab_size", "num_labels"]
SIZES += ["max_position_embeddings", "type_vocab_size"]
ABSURD = [10**7, 10**18, 10**400, -2, 1.5, "x", None, [1], {"a": 1}]
NO_OBJECTS = ["", "{", "[]", "[1]", "null", "3", '"x"', b"\xff\xfe\0", "[" * 10**5, '{"a":' * 5000 + "1" + "}" * 5000]


@pytest.fixture
def local(saved):
    return HubBackbone("roberta", "some/model", ["query"], ["classifier"], path=str(saved))


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def write(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def asks(saved, local):
    """What a user can do with a model directory: all of it refused, in one or two sentences and in little time."""

    def refused(match, *, tokenizer=True, shards=True):
        start = time.process_time()
        asked = [lambda: local.build(2, seed=0), lambda: local.build(None, seed=0)]
        asked += [local.processor] * tokenizer + [ModelShards(saved).model] * shards
        for ask in asked:
            with pytest.raises(RequestError, match=match) as raised:
                ask()
            assert str(saved) in str(raised.value)
        assert time.process_time() - start < 5

    return refused


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", ABSURD, ids=lambda value: str(value)[:9])
def test_a_size_that_no_file_bears_out(saved, asks, key, value):
    change(saved / "config.json", **{key: value})
    asks("config.json", tokenizer=False)


@pytest.mark.parametrize(
    "value", [{"num_hidden_layers": 10**8}, {"parts": [{"n_layers": [2, -1]}]}, {"n_experts": 1e12}]
)
def test_a_count_anywhere_in_the_configuration(saved, asks, value):
    change(saved / "config.json", text_config=value)
    asks(r"config\.json has \w+=.*accepted, 1 to 261")


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_code_of_others_is_not_asked_for(saved, asks, key):
    change(saved / "config.json", **{key: "some/kernel"})
    asks(f"asks for external code .{key}=some/kernel")


@pytest.mark.parametrize("content", NO_OBJECTS, ids=lambda content: repr(content)[:9])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
def test_a_file_that_is_no_object(saved, local, asks, file, content):
    write(saved / file, content)
    if file == "config.json":
        asks("config.json cannot be read")
        return
    with pytest.raises(RequestError, match=r"The tokenizer in .* cannot be read"):
        local.processor()


@pytest.mark.parametrize("content", NO_OBJECTS, ids=lambda content: repr(content)[:9])
def test_what_the_weights_are_read_by(saved, local, asks, content):
    write(saved / "generation_config.json", content)
    local.build(2, seed=0)
    (saved / "model.safetensors").rename(saved / "model-00001-of-00001.safetensors")
    write(saved / "model.safetensors.index.json", content)
    asks("model.safetensors.index.json cannot be read")


@pytest.mark.parametrize("files", [None, [], {}, {"a": 3}, {"a": "../x"}, {"a": "/etc/passwd"}, {"a": "absent"}])
def test_an_index_that_leads_elsewhere(saved, asks, files):
    (saved / "model.safetensors").rename(saved / "model-00001-of-00001.safetensors")
    (saved / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    asks("index.json (has no weight_map|names the file .*, which is not in that directory)")


@pytest.mark.parametrize("values", [{"model_max_length": "x"}, {"model_max_length": -5}, {"pad_token": 5}])
def test_values_of_a_tokenizer(saved, local, values):
    change(saved / "tokenizer_config.json", **values)
    with pytest.raises(RequestError, match=r"The tokenizer in .* cannot be read"):
        local.processor()


def test_a_pipe_and_a_file_that_is_too_large_are_not_read(saved, asks):
    content = (saved / "config.json").read_text()
    write(saved / "config.json", content + " " * 2**24)
    asks("config.json cannot be read \(it has more than")
    (saved / "config.json").unlink()
    os.mkfifo(saved / "config.json")
    asks("config.json cannot be read.*regular file")


def test_an_adapter_in_the_directory_is_not_loaded_from_elsewhere(saved, local):
    (saved / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "some/other"}))
    with pytest.raises(RequestError, match="holds an adapter"):
        local.build(2, seed=0)


def test_a_configuration_that_fits_is_read(saved, local):
    assert read_config(saved).num_hidden_layers == 2
    weights = load_file(saved / "model.safetensors")
    save_file({name: t for name, t in weights.items() if "classifier" not in name}, saved / "model.safetensors")
    change(saved / "config.json", num_labels=200)
    assert local.build(200, seed=0).num_labels == 200
