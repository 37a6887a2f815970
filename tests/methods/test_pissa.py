"""PiSSA is PEFT's: the same steps, and its change of the base weight is undone by detach and kept by save."""

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter


@pytest.mark.parametrize(("iterations", "init"), [(0, "pissa"), (4, "pissa_niter_4")])
def test_steps_equal_pefts(iterations, init, same_steps):
    same_steps(LoraConfig(r=4, lora_alpha=8, init_lora_weights=init), "pissa", rank=4, alpha=8.0, iterations=iterations)


def test_the_factors_are_the_leading_part_of_the_weight(make_model, targets):
    weight = make_model().bert.encoder.layer[0].output.dense.weight.detach()
    model = make_model()
    attach(model, "pissa", targets=targets, rank=4, alpha=2.0)
    layer = model.bert.encoder.layer[0].output.dense
    P, s, Qt = torch.linalg.svd(weight.double(), full_matrices=False)
    part = (P[:, :4] * s[:4]) @ Qt[:4]
    product = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(product, part.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.base_layer.weight, (weight.double() - part).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["pissa", "milora"])
def test_peft_loads_it_as_a_plain_lora_over_the_same_base(method, make_model, targets, head, train, logits, tmp_path):
    adapted = attach(make_model(), method, targets=targets, head=head, rank=4, alpha=4.0)
    train(adapted.model)
    adapted.save(tmp_path, format="peft")
    theirs = PeftModel.from_pretrained(make_model(), tmp_path)
    torch.testing.assert_close(logits(theirs), logits(adapted.model), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["pissa", "milora", "goat"])
def test_an_adapter_on_other_base_weights_is_refused(method, make_model, targets, head, tmp_path):
    adapted = attach(make_model(), method, targets=targets, head=head)
    adapted.save(tmp_path)
    assert not any("base_layer" in name for name in load_file(tmp_path / "adapter_model.safetensors"))
    other = make_model()
    other.bert.encoder.layer[1].output.dense.weight.data *= 1.1
    with pytest.raises(RequestError, match=r"other base weights.*1\.output\.dense differs"):
        load_adapter(other, tmp_path)


@pytest.mark.parametrize("method", ["pissa", "milora", "goat"])
def test_a_rank_that_the_weight_has_not_is_refused(method, make_model, targets):
    model = make_model()
    with pytest.raises(RequestError, match=r"method\.rank=40 .*query is \[32, 32\]"):
        attach(model, method, targets=targets, rank=40)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), make_model().parameters(), strict=True))


@pytest.mark.parametrize("method", ["pissa", "milora", "goat", "fura", "qfura"])
def test_a_weight_that_cannot_be_decomposed_is_named(method, make_model, targets):
    model = make_model()
    model.bert.encoder.layer[1].output.dense.weight.data[3, 4] = float("nan")
    with pytest.raises(RequestError, match=r"1\.output\.dense holds NaN"):
        attach(model, method, targets=targets)
    assert {type(m) for m in model.modules()} == {type(m) for m in make_model().modules()}


def test_double_precision_is_refused(make_model, targets):
    with pytest.raises(RequestError, match=r"query is in float64; PiSSA takes float32"):
        attach(make_model().double(), "pissa", targets=targets)
