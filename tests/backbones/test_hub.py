import json
import shutil

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from frod_bench.backbones import hub
from frod_bench.backbones.hub import HubBackbone
from frod_bench.errors import RequestError


@pytest.fixture
def local(saved):
    return HubBackbone("roberta", "some/model", ["query"], ["classifier"], path=str(saved))


def change_weights(saved, change):
    weights = load_file(saved / "model.safetensors")
    save_file(change(weights), saved / "model.safetensors", metadata={"format": "pt"})


def test_a_saved_model_gives_the_same_logits(tiny, local):
    original, loaded = tiny.build(3, seed=5), local.build(3, seed=5)
    batch = local.processor()(["one text", "and another one"], padding=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, original(**batch).logits)


def test_the_head_is_new_even_when_the_checkpoint_has_one(local):
    first, other = local.build(3, seed=5).state_dict(), local.build(3, seed=6).state_dict()
    differing = {name for name in first if not torch.equal(first[name], other[name])}
    assert differing == {"classifier.dense.weight", "classifier.out_proj.weight"}


def test_another_number_of_labels_than_the_checkpoint(local):
    assert local.build(2, seed=0).classifier.out_proj.out_features == 2


def test_half_precision_weights_are_read_as_float32(saved, local):
    change_weights(saved, lambda weights: {name: tensor.half() for name, tensor in weights.items()})
    assert {parameter.dtype for parameter in local.build(3, seed=0).parameters()} == {torch.float32}


def test_loading_is_silent_and_leaves_the_generator_alone(local, capfd):
    state = torch.get_rng_state()
    local.processor()
    local.build(2, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


def test_provenance_follows_the_weights(saved, local):
    before = local.provenance()
    assert before["source"] == "local"
    change_weights(saved, lambda weights: {name: tensor + 1 for name, tensor in weights.items()})
    assert local.provenance()["fingerprint"] != before["fingerprint"]


def test_a_missing_directory(tmp_path):
    backbone = HubBackbone("roberta", "some/model", [], ["classifier"], path=str(tmp_path / "nowhere"))
    with pytest.raises(RequestError, match="nowhere"):
        backbone.build(2, seed=0)


@pytest.mark.parametrize(
    ("file", "named"),
    [("config.json", "config.json"), ("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")],
)
def test_a_directory_that_lacks_a_file(saved, local, file, named):
    (saved / file).unlink()
    for load in (local.processor, lambda: local.build(2, seed=0)):
        with pytest.raises(RequestError, match=f"lacks .*{named}"):
            load()


def test_weights_in_pickle_format_are_not_read(saved, local):
    shutil.move(saved / "model.safetensors", saved / "pytorch_model.bin")
    with pytest.raises(RequestError, match="lacks weights"):
        local.build(2, seed=0)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_truncated_file(saved, local, file):
    content = (saved / file).read_bytes()
    (saved / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(RequestError, match="cannot be read"):
        local.processor() if file == "tokenizer.json" else local.build(2, seed=0)


def test_absent_body_weights(saved, local):
    gone = "roberta.encoder.layer.1.output.dense.weight"
    change_weights(saved, lambda weights: {name: t for name, t in weights.items() if name != gone})
    with pytest.raises(RequestError, match=f"1 tensors beyond the head .*{gone}"):
        local.build(3, seed=0)


def test_body_weights_of_another_size(saved, local):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(RequestError, match="do not fit"):
        local.build(3, seed=0)


def test_no_network_is_one_sentence_that_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)
    with pytest.raises(RequestError, match=r"backbone\.path=DIR.*profile=offline"):
        HubBackbone("roberta", "some/model", [], ["classifier"]).build(2, seed=0)


def test_a_download_that_breaks_off(monkeypatch):
    def broken(*_, **__):
        raise LocalEntryNotFoundError("connection lost")

    monkeypatch.setattr(hub, "hub_reachable", lambda: True)
    monkeypatch.setattr(hub, "snapshot_download", broken)
    with pytest.raises(RequestError, match="download broke off"):
        HubBackbone("roberta", "some/model", [], ["classifier"]).processor()


def test_a_malformed_id(monkeypatch):
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)
    with pytest.raises(RequestError, match=r"no model a/b/c.*backbone\.id"):
        HubBackbone("roberta", "a/b/c", [], ["classifier"]).processor()


def test_a_cached_snapshot_is_used_without_a_network(monkeypatch, tmp_path, saved):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--some--model"
    shutil.copytree(saved, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)
    backbone = HubBackbone("roberta", "some/model", [], ["classifier"])
    assert backbone.build(2, seed=0).config.num_labels == 2
    assert backbone.provenance() == {"source": "hub", "id": "some/model", "revision": commit}
