"""`Adapted` follows the parameters in the model, whatever has replaced them since the method was attached."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from frod_bench.errors import RequestError
from frod_bench.methods import attach, load_adapter, method_names

every_method = pytest.mark.parametrize("method", method_names())


def assign(model):
    model.load_state_dict({name: t.clone() for name, t in model.state_dict().items()}, assign=True)


def renew(model):
    """Put new parameters in the places of all."""
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                new = copy.copy(parameter)  # of the same class, as some libraries have their own
                new.data = parameter.detach().clone()
                module._parameters[name] = new


def convert(model):
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model.double()
        model.float()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


@every_method
@pytest.mark.parametrize("replace", [assign, renew, convert])
def test_an_optimizer_over_the_roles_moves_what_is_in_the_model(
    method, replace, attached, make_model, batch, logits, tmp_path
):
    if method == "qlora" and replace is not renew:
        pytest.skip("the library's four-bit weights are neither assigned nor cast")
    adapted = attached(method)
    old = [p for parameters in adapted.roles.values() for p in parameters]
    count = adapted.count()
    replace(adapted.model)
    assert not {id(p) for p in old} & {id(p) for parameters in adapted.roles.values() for p in parameters}
    assert adapted.count() == count
    before = logits(adapted.model)
    optimizer = torch.optim.AdamW([p for parameters in adapted.roles.values() for p in parameters], lr=1e-2)
    adapted.model.train()(**batch).loss.backward()
    optimizer.step()
    moved = logits(adapted.model)
    assert not torch.allclose(moved, before, atol=1e-3)
    adapted.save(tmp_path)
    assert torch.allclose(logits(load_adapter(make_model(), tmp_path).model), moved, atol=1e-5)


def test_a_head_that_is_parametrised_later_keeps_its_role(attached):
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    adapted = attached("lora")
    parametrize.register_parametrization(adapted.model.classifier, "weight", Doubled())
    assert adapted.roles["head"][0] is adapted.model.classifier.parametrizations.weight.original or (
        adapted.roles["head"][1] is adapted.model.classifier.parametrizations.weight.original
    )


def test_two_names_of_one_parameter_both_train_once_they_are_two():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.embedding, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.head.weight = self.embedding.weight

    adapted = attach(Tied(), "lora", targets=["body"], head=["head"])
    assert len(adapted.roles["head"]) == 2
    assign(adapted.model)
    assert {id(p) for p in adapted.roles["head"]} == {
        id(p) for p in (adapted.model.embedding.weight, adapted.model.head.weight, adapted.model.head.bias)
    }


@pytest.mark.parametrize("ask", ["roles", "count", "save", "diagnostics", "merge", "trainable_state"])
def test_what_has_left_the_model_is_named(ask, attached, tmp_path):
    adapted = attached("frod")
    adapted.model.bert.encoder.layer[1].attention.self.query = nn.Linear(32, 32)
    with pytest.raises(RequestError, match=r"2 of the parameters.*frod.*layer\.1\.attention\.self\.query\.sigma.*repl"):
        value = getattr(adapted, ask)
        value(*([tmp_path] if ask == "save" else []))


def test_a_merged_adapter_is_said_to_be_one(attached):
    adapted = attached("lora")
    adapted.merge()
    with pytest.raises(RequestError, match="merged or detached already"):
        _ = adapted.roles
