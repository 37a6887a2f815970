"""What a forward pass reads of its layers' weights, by its code."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from frod_bench.methods.support.weight_readers import weight_readers


class Parts(nn.Module):
    """Two layers, and a list of two more; `read` says which of them the forward passes of the others read."""

    read = ()

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.first.weight.data.normal_()
        nn.init.normal_(self.second.weight)

    def forward(self, x):
        if isinstance(self.first.weight, torch.Tensor) and self.second.weight is not None:
            x = x.to(self.first.weight.dtype).view(-1, self.second.weight.data.shape[1])
        return self.second(self.first(x))

    def tie(self):
        self.first.weight = self.second.weight.clone()


class Named(Parts):
    read = ("second",)

    def forward(self, x):
        layer = self.second
        return F.linear(self.first(x), layer.weight)


class Inherited(Named):
    read = ("second",)


class Overridden(Named):
    read = ()

    def forward(self, x):
        return self.first(x)


class Above(Overridden):
    read = ("first",)

    def forward(self, x):
        return super().forward(x) @ self.first.weight.T


class BySuper(Named):
    read = ("second",)

    def forward(self, x):
        return super().forward(x)


class Looped(Parts):
    read = ("layers.0", "layers.1")

    def forward(self, x):
        for _, layer in enumerate(self.layers):
            x = x @ layer.weight.T
        return x


class InAList(Parts):
    read = ("layers.0", "layers.1")

    def forward(self, x):
        return sum(x @ weight for weight in [layer.weight for layer in self.layers])


class ByNumber(Parts):
    read = ("layers.1",)

    def forward(self, x):
        return self.layers[0](x) @ self.layers[-1].weight


def product(x, layer, other):
    return other(x) @ layer.weight.T


class InAFunction(Parts):
    read = ("first",)

    def forward(self, x):
        return product(x, self.first, other=self.second)


class InAMethod(Parts):
    read = ("first",)

    def forward(self, x):
        return self.project(x, self.first)

    def project(self, x, layer):
        return self.second(x) @ layer.weight.T


class AProperty(Parts):
    read = ("second",)

    @property
    def total(self):
        return self.second.weight.sum()

    def forward(self, x):
        return self.first(x) * self.total


class ByItsName(Parts):
    read = ("second",)

    def forward(self, x):
        return x @ getattr(self, "second").weight  # noqa: B009


class ItsData(Parts):
    read = ("second",)

    def forward(self, x):
        return x @ self.second.weight.data


class Either(Parts):
    read = ("first", "second")

    def forward(self, x):
        layer = self.first if self.training else self.second
        return x @ layer.weight


KINDS = [Parts, Named, Inherited, Overridden, Above, BySuper, Looped, InAList, ByNumber, InAFunction, InAMethod]
KINDS += [AProperty, ByItsName, ItsData, Either]


def names_read(module, model=None):
    found = weight_readers(model or module, [module])
    return {name for name, part in module.named_modules() if part in found}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layers_whose_values_are_read(kind):
    assert names_read(kind()) == {*kind.read}


def test_attention_of_torch_reads_what_it_does_not_call():
    assert names_read(nn.MultiheadAttention(4, 2)) == {"out_proj"}
    assert {"linear1", "linear2", "self_attn.out_proj"} <= names_read(nn.TransformerEncoderLayer(4, 2, 8))


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = InAMethod()

    def forward(self, x):
        return self.inner.project(x, self.inner.second)


def test_a_method_that_another_module_calls_is_followed():
    model = Outer()
    found = weight_readers(model, [model.inner, model])
    assert found == {model.inner.first: model.inner, model.inner.second: model}


class Switched(Parts):
    def __init__(self, exact, slices):
        super().__init__()
        self.exact, self.slices, self.first_time = exact, slices, False

    def forward(self, x):
        if self.slices > 1 and self.exact:
            return x @ self.first.weight
        if self.first_time:
            return x @ self.second.weight
        return self.second(self.first(x))


@pytest.mark.parametrize(("exact", "slices", "read"), [(True, 2, {"first"}), (True, 1, set()), (False, 2, set())])
def test_only_a_switch_of_the_config_leaves_a_branch_out(exact, slices, read):
    module = Switched(exact, slices)
    assert names_read(module) == {"first", "second"}
    module.config = SimpleNamespace(exact=exact, slices=slices)
    assert names_read(module) == {*read, "second"}


def test_code_without_a_source_is_no_reason():
    space = {"Parts": Parts}
    exec("class Made(Parts):\n    def forward(self, x):\n        return x @ self.first.weight", space)
    assert names_read(space["Made"]()) == set()
