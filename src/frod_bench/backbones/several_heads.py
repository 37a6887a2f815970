"""A classifier with a head for each of several tasks, of which one reads each row."""

import copy
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.module_names import in_matching_module


def give_heads(model: nn.Module, head: Sequence[str], sizes: Sequence[int], row_heads: str) -> nn.Module:
    """Put a copy of the `head` for each of `sizes` into a model whose head has all their classes, and return it.

    Each copy has the classes of one task. The model then takes which head reads each row, [batch], by the name
    `row_heads`; its logits [batch, all classes] are those of that head in the columns of its classes, and the least
    number of their dtype in the others, whose probability is 0. Raises RequestError for a head that is not one module
    which ends with a linear layer.
    """
    outer = [n for n, _ in model.named_modules() if in_matching_module(n, head)]
    outer = [n for n in outer if not any(n.startswith(f"{other}.") for other in outer)]
    if len(outer) != 1:
        raise RequestError(f"The head {', '.join(head)} has {len(outer)} modules; with several tasks it has to be one.")
    heads = _Heads(model.get_submodule(outer[0]), sizes)
    parent, _, leaf = outer[0].rpartition(".")
    setattr(model.get_submodule(parent), leaf, heads)
    model.register_forward_pre_hook(_TakeRowHeads(heads, row_heads), with_kwargs=True)
    return model


class _Heads(nn.Module):
    """The heads of the tasks. `rows` holds for each row [batch] which of them reads it."""

    rows: Tensor
    place: Tensor

    def __init__(self, head: nn.Module, sizes: Sequence[int]):
        super().__init__()
        ends = list(accumulate(sizes))
        blocks = list(zip([0, *ends[:-1]], ends, strict=True))
        self.tasks = nn.ModuleList(_part(head, *block, classes=ends[-1]) for block in blocks)
        place = torch.cat([torch.full((size,), task) for task, size in enumerate(sizes)])
        self.register_buffer("place", place, persistent=False)  # [all classes], the task of each

    def forward(self, *features: Any, **options: Any) -> Tensor:
        """Return the logits [batch, …, all classes]; every head reads every row, so that all get a gradient."""
        logits = torch.cat([task(*features, **options) for task in self.tasks], dim=-1)
        others = self.rows.view(-1, *[1] * (logits.ndim - 1)) != self.place
        return logits.masked_fill(others, torch.finfo(logits.dtype).min)


class _TakeRowHeads:
    """Before a forward pass: give the heads of the rows to `heads`, as the model's own forward does not take them."""

    def __init__(self, heads: _Heads, name: str):
        self._heads, self._name = heads, name

    def __call__(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        self._heads.rows = kwargs[self._name]
        return args, {key: value for key, value in kwargs.items() if key != self._name}


def _part(head: nn.Module, start: int, end: int, classes: int) -> nn.Module:
    """Return a copy of a head with the classes from `start` to `end` of `classes`."""
    linear = [(name, layer) for name, layer in head.named_modules() if isinstance(layer, nn.Linear)]
    if not linear or linear[-1][1].out_features != classes:
        raise RequestError("The model's head does not end with a linear layer, so several tasks cannot have one each.")
    name, last = linear[-1]
    own = nn.Linear(last.in_features, end - start, bias=last.bias is not None, device="meta")
    own.weight = nn.Parameter(last.weight.detach()[start:end].clone())
    if last.bias is not None:
        own.bias = nn.Parameter(last.bias.detach()[start:end].clone())
    if not name:
        return own
    part = copy.deepcopy(head)
    part.set_submodule(name, own)
    return part
