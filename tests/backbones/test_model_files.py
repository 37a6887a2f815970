"""The digest of a model directory follows its content, not its place or its time."""

import json
import os
import shutil
import struct

import pytest

from frod_bench.backbones import model_files
from frod_bench.backbones.model_files import count_weights, model_config, model_fingerprint
from frod_bench.disk_cache import cache_folder
from frod_bench.errors import RequestError


def weights(*shapes):
    header = {str(i): {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for i, shape in enumerate(shapes)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "bert"}')
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(weights([2, 3], [4]))
    return made


def test_a_copy_elsewhere_has_the_same_digest(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "copy")
    os.utime(tmp_path / "copy/model.safetensors", (1, 1))
    (tmp_path / "copy/README.md").write_text("not read by a run")
    assert model_fingerprint(tmp_path / "copy") == model_fingerprint(directory)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "preprocessor_config.json"])
def test_other_content_has_another_digest(directory, name):
    before = model_fingerprint(directory)
    (directory / name).write_bytes(b"{ }")
    assert model_fingerprint(directory) != before


def test_a_settled_file_is_read_once(directory, monkeypatch):
    monkeypatch.setattr(model_files, "_SETTLED_S", -1.0)
    before = model_fingerprint(directory)
    monkeypatch.setattr(model_files.hashlib, "file_digest", None)  # reading again would fail
    assert model_fingerprint(directory) == before


def test_a_file_that_has_just_changed_is_not_remembered(directory):
    kept = set(cache_folder("digests").glob("*"))
    model_fingerprint(directory)
    assert set(cache_folder("digests").glob("*")) == kept


def test_weights_are_counted_by_their_headers(directory):
    (directory / "model-00002-of-00002.safetensors").write_bytes(weights([5, 5]))
    assert count_weights(directory) == 6 + 4 + 25


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 7) + b'{"a":1}'])
def test_a_broken_header_is_refused(directory, content):
    (directory / "model.safetensors").write_bytes(content)
    if content:
        with pytest.raises(RequestError, match="their header is broken"):
            count_weights(directory)


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"no model\*\.safetensors"):
        model_fingerprint(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(RequestError, match="describes no model"):
        model_config(tmp_path)
