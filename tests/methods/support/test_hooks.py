"""Hooks registered on a layer before a method is attached work while it is attached and after."""

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, ModelHook, add_hook_to_module, remove_hook_from_module
from torch import nn
from torch.nn.utils import parametrize

from frod_bench.errors import RequestError
from frod_bench.methods import attach, make_method, method_names

every_method = pytest.mark.parametrize("method", method_names())
every_adapter = pytest.mark.parametrize("method", [name for name in method_names() if name != "full_ft"])
ends = pytest.mark.parametrize("end", ["merge", "detach"])


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)).requires_grad_(False)


def adapt(model, method):
    return attach(model, method, targets=["0"], head=["2"])


def draw():
    return torch.randn(5, 64, generator=torch.Generator().manual_seed(1))


def move(model):
    """Take a step away from the start."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model[0].parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def finish(adapted, end):
    if end == "merge" and not adapted.method.merges:
        pytest.skip("does not merge")
    if end == "detach" and adapted.method.name == "full_ft":
        pytest.skip("keeps no copy")
    return adapted.merge() if end == "merge" else adapted.detach()


@every_method
@ends
def test_forward_hooks_see_and_change_what_the_model_gets_from_the_layer(method, end):
    model, x, seen = make_model(), draw(), []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append((module, output.detach())))
    double = model[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    model[0].register_forward_hook(lambda module, inputs, kwargs, output: None, with_kwargs=True, always_call=True)
    adapted = adapt(model, method)
    move(model)
    model.eval()
    with torch.no_grad():
        expected = 2 * model[0].forward(x)  # the method itself calls no hook
        assert torch.equal(model[0](x), expected)
        assert [module for module, _ in seen] == [model[0]] and torch.equal(2 * seen[0][1], expected)
        double.remove()
        assert torch.equal(model[0](x), expected / 2)
        plain = finish(adapted, end)
        plain[0](x)
        assert type(plain[0]) is nn.Linear and seen[-1][0] is plain[0] and len(seen) == 3


@every_method
@ends
def test_hooks_before_the_forward_pass_change_what_every_part_of_the_layer_reads(method, end):
    model, x = make_model(), draw()
    handle = model[0].register_forward_pre_hook(lambda module, args, kwargs: ((3 * args[0],), kwargs), with_kwargs=True)
    adapted = adapt(model, method)
    move(model)
    model.eval()
    with torch.no_grad():
        expected = model[0].forward(3 * x)
        assert torch.equal(model[0](x), expected)
        plain = finish(adapted, end)
        assert torch.equal(plain[0](x), plain[0].forward(3 * x))
        handle.remove()
        assert torch.equal(plain[0](x), plain[0].forward(x))


@every_method
@ends
def test_backward_hooks_are_called(method, end):
    model, x, seen = make_model(), draw().requires_grad_(), []
    model[0].register_full_backward_pre_hook(lambda module, gradients: seen.append("before"))
    model[0].register_full_backward_hook(lambda module, into, out: seen.append(into[0].shape))
    adapted = adapt(model, method)
    model.train()(x).sum().backward()
    assert seen == ["before", x.shape]
    finish(adapted, end)(x).sum().backward()
    assert seen == ["before", x.shape] * 2


@every_method
@ends
def test_hooks_registered_while_attached_stay_with_the_place(method, end):
    model, x, seen = make_model(), draw(), []
    adapted = adapt(model, method)
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    model(x)
    plain = finish(adapted, end)
    plain(x)
    handle.remove()
    plain(x)
    assert seen == [1, 1]


@every_method
@ends
def test_attributes_that_others_set_can_be_read(method, end):
    model = make_model()
    model[0]._is_hf_initialized, model[0].number_of_heads = True, 4
    adapted = adapt(model, method)
    assert model[0]._is_hf_initialized and model[0].number_of_heads == 4
    plain = finish(adapted, end)
    assert vars(plain[0]).keys() - vars(make_model()[0]).keys() <= {
        *("_is_hf_initialized", "number_of_heads"),
    }
    assert plain[0].number_of_heads == 4


class Tripled(ModelHook):
    """A hook of accelerate, as it puts one on every layer of a model with a device map."""

    def post_forward(self, module, output):
        return 3 * output


@every_method
@ends
def test_hooks_of_accelerate(method, end):
    model, x = make_model(), draw()
    add_hook_to_module(model[0], Tripled())
    add_hook_to_module(model[0], AlignDevicesHook(execution_device="cpu", io_same_device=True), append=True)
    adapted = adapt(model, method)
    move(model)
    model.eval()
    with torch.no_grad():
        expected = 3 * type(model[0]).forward(model[0], x)
        assert torch.equal(model[0](x), expected)
        plain = finish(adapted, end)
        hooked = plain[0](x)
        remove_hook_from_module(plain[0])
        assert torch.equal(hooked, 3 * plain[0](x))
    again = adapt(plain, method)  # nothing of the hook is left that would be in the way
    assert make_method(method).start_error or torch.equal(again.model.eval()[0](x), plain[0](x))


@every_adapter
def test_a_forward_that_was_replaced_on_the_object_is_refused(method):
    model = make_model()
    forward = model[0].forward
    model[0].forward = lambda x: 2 * forward(x)
    with pytest.raises(RequestError, match="forward of the target 0 was replaced"):
        adapt(model, method)
    model[0].forward = forward
    adapt(model, method)


@every_adapter
def test_a_bias_that_is_computed_is_refused(method):
    model = make_model()
    parametrize.register_parametrization(model[0], "bias", nn.Tanh())
    with pytest.raises(RequestError, match="bias of 0 is computed"):
        adapt(model, method)
