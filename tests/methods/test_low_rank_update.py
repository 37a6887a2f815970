"""Which methods say that their update is alpha / r B A: `merge --how lori_linear` takes these."""

import pytest
import torch
from torch import nn

from frod_bench.methods import attach, make_method, method_names

MERGING = [name for name in method_names() if make_method(name).merges]


@pytest.mark.parametrize("method", MERGING)
def test_the_update_is_the_product_of_its_factors_or_the_method_says_no(method):
    torch.manual_seed(0)
    base = nn.Linear(64, 32)
    W = base.weight.detach().clone()
    adapted = attach(nn.Sequential(base), method, targets=["0"])
    with torch.no_grad():
        for parameter in adapted.model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    product = torch.zeros_like(W)
    layer = adapted.model[0]
    if "default" in getattr(layer, "lora_A", {}):
        B, A = (getattr(layer, factor)["default"].weight.detach() for factor in ("lora_B", "lora_A"))
        product = layer.scaling["default"] * B @ A
    update = adapted.merge()[0].weight.detach() - W
    close = torch.allclose(update, product, atol=1e-5)
    assert close == make_method(method).low_rank_update
