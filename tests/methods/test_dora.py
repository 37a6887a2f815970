"""DoRA is PEFT's, with magnitudes that make mu / ||V|| one at the start in half precision as well."""

import pytest
import torch
from peft import LoraConfig, PeftModel

from frod_bench.errors import RequestError
from frod_bench.methods import attach


def test_steps_equal_pefts(same_steps):
    same_steps(LoraConfig(r=4, lora_alpha=8, use_dora=True), "dora", rank=4, alpha=8.0)


def test_the_merged_weight_is_the_definition(make_model, targets, head, train):
    model = make_model()
    adapted = attach(model, "dora", targets=targets, head=head, rank=4, alpha=8.0)
    train(model)
    layer = model.bert.encoder.layer[0].output.dense
    A, B = (factor["default"].weight.detach().double() for factor in (layer.lora_A, layer.lora_B))
    V = layer.base_layer.weight.double() + 2.0 * B @ A
    expected = layer.lora_magnitude_vector["default"].weight.double()[:, None] * V / V.norm(dim=1, keepdim=True)
    merged = adapted.merge().bert.encoder.layer[0].output.dense.weight
    torch.testing.assert_close(merged.double(), expected, rtol=1e-5, atol=1e-6)


def test_magnitudes_of_a_half_precision_model_are_not_rounded(make_model, targets):
    model = make_model().to(torch.bfloat16)
    attach(model, "dora", targets=targets)
    layer = model.bert.encoder.layer[0].output.dense
    norms = layer.base_layer.weight.float().norm(dim=1)
    assert torch.equal(layer.lora_magnitude_vector["default"].weight, norms)
    assert not torch.equal(norms.to(torch.bfloat16).float(), norms)


def test_peft_loads_a_checkpoint(make_model, targets, head, train, logits, tmp_path):
    adapted = attach(make_model(), "dora", targets=targets, head=head, rank=4)
    train(adapted.model)
    adapted.save(tmp_path, format="peft")
    assert torch.equal(logits(PeftModel.from_pretrained(make_model(), tmp_path)), logits(adapted.model))


def test_a_row_of_zeros_is_refused(make_model, targets):
    model = make_model()
    model.bert.encoder.layer[1].output.dense.weight.data[3] = 0.0
    with pytest.raises(RequestError, match=r"1\.output\.dense has a row of zeros"):
        attach(model, "dora", targets=targets)
