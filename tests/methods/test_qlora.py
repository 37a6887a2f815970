"""QLoRA: PEFT's LoRA over four-bit layers of bitsandbytes, which keep passing gradients after an evaluation."""

import torch
from torch import nn

from frod_bench.adapters.nf4 import Nf4Linear
from frod_bench.methods import attach
from frod_bench.methods.support.peft_method import tuner_layers


def test_it_is_lora_over_the_dequantised_weights(make_model, targets, head, train, logits):
    """Steps equal those of LoRA on a model whose weights were rounded to NF4 beforehand."""
    quantised = attach(make_model(), "qlora", targets=targets, head=head, seed=2, rank=4)
    rounded = make_model()
    for name, layer in tuner_layers(quantised.model):
        rounded.get_submodule(name).weight.data = layer.get_base_layer().dense()
    plain = attach(rounded, "lora", targets=targets, head=head, seed=2, rank=4)
    torch.testing.assert_close(logits(quantised.model), logits(plain.model), rtol=1e-4, atol=1e-5)
    for adapted in (quantised, plain):
        train(adapted.model, steps=5)
    torch.testing.assert_close(logits(quantised.model), logits(plain.model), rtol=1e-3, atol=1e-4)


def test_gradients_still_flow_after_an_evaluation():
    torch.manual_seed(0)
    layer = Nf4Linear(nn.Linear(64, 128))
    x = torch.randn(4, 64)
    with torch.no_grad():
        expected = layer.eval()(x)
    x.requires_grad_(True)
    y = layer.train()(x)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)
    y.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * y @ layer.dense(), rtol=1e-4, atol=1e-4)


def test_the_bias_keeps_its_precision_and_is_a_copy():
    base = nn.Linear(64, 64)
    layer = Nf4Linear(base)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 64)).dtype == torch.bfloat16
    assert layer.bias.dtype == torch.float32 and torch.equal(layer.bias, base.bias)
    assert layer.bias.data_ptr() != base.bias.data_ptr()


def test_layers_that_are_no_targets_stay_in_full_precision(make_model):
    model = make_model()
    attach(model, "qlora", targets=["query"], head=["classifier"])
    kinds = {n.rpartition(".")[2]: type(m) for n, m in model.named_modules() if "base_layer" not in n}
    assert kinds["key"] is nn.Linear and kinds["classifier"] is nn.Linear
    assert sum(isinstance(m, Nf4Linear) for m in model.modules()) == 2
