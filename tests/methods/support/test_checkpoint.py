"""Saving and loading, and what loading refuses, checked on every method."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, make_method, method_names
from frod_bench.methods.support.checkpoint import read_checkpoint_config, write_checkpoint

every_method = pytest.mark.parametrize("method", method_names())
every_adapter = pytest.mark.parametrize("method", [name for name in method_names() if name != "full_ft"])


@every_method
def test_a_saved_adapter_gives_the_same_model_on_a_fresh_copy(method, attached, train, logits, make_model, tmp_path):
    adapted = attached(method, seed=5)
    train(adapted.model)
    adapted.save(tmp_path / "a")
    fresh = make_model()
    loaded = load_adapter(fresh, tmp_path / "a")
    assert torch.equal(logits(fresh), logits(adapted.model))
    assert loaded.count() == adapted.count() and loaded.seed == 5
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


@every_method
def test_a_file_holds_the_trainable_values_and_little_more(method, attached, tmp_path):
    adapted = attached(method, **({"sparsity": 1.0} if method == "frod" else {}))
    tensors = load_file(adapted.save(tmp_path) / "adapter_model.safetensors")
    trainable = adapted.trainable_state()
    assert all(torch.equal(tensors[name], value) for name, value in trainable.items())
    extra = sum(t.numel() for name, t in tensors.items() if name not in trainable)
    assert extra <= 0.05 * sum(adapted.count().values())


@every_method
def test_options_survive_a_file(method, make_model, targets, head, tmp_path):
    changed = make_method(method, head="frozen")
    changed.attach(make_model(), targets, head, seed=0).save(tmp_path)
    assert load_adapter(make_model(), tmp_path).method == changed != make_method(method)


@every_method
def test_statistics_are_saved_in_the_head_and_in_the_body(method, tmp_path):
    def make():
        torch.manual_seed(0)
        head = nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3))
        return nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 16), head)

    adapted = attach(make(), method, targets=["1"], head=["2"])
    for _ in range(5):
        adapted.model.train()(3 + torch.randn(20, 8))
    adapted.save(tmp_path)
    x = torch.randn(4, 8)
    assert torch.equal(load_adapter(make(), tmp_path).model.eval()(x), adapted.model.eval()(x))


def test_an_adapter_of_a_version_without_sketches_is_said_to_be_one(attached, make_model, tmp_path):
    adapted = attached("lora")
    adapted.save(tmp_path)
    write_checkpoint(tmp_path, adapted.trainable_state(), read_checkpoint_config(tmp_path))
    with pytest.raises(RequestError, match="carries no sketch of its base weights, as an older version did not write"):
        load_adapter(make_model(), tmp_path)


@every_adapter
def test_an_adapter_for_other_weights_is_refused(method, attached, make_model, tmp_path):
    attached(method).save(tmp_path)
    other = make_model()
    other.bert.encoder.layer[0].attention.self.query.weight.data[0] *= 1.5
    with pytest.raises(RequestError, match=r"other base weights.*query"):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("method", ["lora", "dora", "vera", "randlora"])
def test_an_adapter_fits_the_base_in_another_precision(method, attached, make_model, tmp_path):
    attached(method, make_model().to(torch.bfloat16)).save(tmp_path)
    load_adapter(make_model(), tmp_path)


@every_method
def test_values_that_do_not_fit_change_nothing(method, attached):
    adapted = attached(method)
    before = {name: tensor.clone() for name, tensor in adapted.trainable_state().items()}
    state = {name: tensor + 1 for name, tensor in before.items()}
    last = list(state)[-1]
    state[last] = state[last][None]
    with pytest.raises(RequestError, match="does not fit"):
        adapted.load_state(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapted.trainable_state().items())


@every_method
def test_an_adapter_that_is_frozen_for_a_while_is_saved_whole(method, attached, train, logits, make_model, tmp_path):
    adapted = attached(method)
    train(adapted.model)
    adapted.model.requires_grad_(False)
    expected = logits(adapted.model)
    adapted.save(tmp_path)
    assert torch.equal(logits(load_adapter(make_model(), tmp_path).model), expected)


@every_method
def test_a_file_that_does_not_fit_is_refused(method, attached, make_model, targets, head, tmp_path):
    attached(method).save(tmp_path)
    with pytest.raises(RequestError, match=r"does not fit|other base weights"):
        load_adapter(make_model(layers=3), tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(RequestError, match="adapter_model"):
        load_adapter(make_model(), tmp_path)


@every_method
def test_an_unknown_format_is_refused(method, attached, tmp_path):
    with pytest.raises(RequestError, match=r"pickle.*frod-bench, peft"):
        attached(method).save(tmp_path, format="pickle")


def test_a_directory_without_an_adapter_is_refused(make_model, tmp_path):
    with pytest.raises(RequestError, match="adapter_config"):
        load_adapter(make_model(), tmp_path)
    own = {"method": "frod", "options": {}, "targets": ["query"], "head": [], "seed": 0}
    for config in ({"model_type": "bert"}, [1], own | {"options": [1]}, own | {"targets": None}):
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(RequestError, match="describes no adapter"):
            load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@every_method
def test_values_that_are_no_numbers_are_refused(method, value, attached, make_model, tmp_path):
    adapted = attached(method)
    first = next(p for parameters in adapted.roles.values() for p in parameters)
    with torch.no_grad():
        first.view(-1)[-1] = value
    adapted.save(tmp_path)
    with pytest.raises(RequestError, match="holds NaN or infinity"):
        load_adapter(make_model(), tmp_path)
