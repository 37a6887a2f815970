"""Which layers of a classifier of transformers to adapt, and which modules are its head, read from its modules alone.

The target layers are all linear layers in its stacks of repeated blocks. The head is what reads the body's output: the
modules whose size depends on the number of classes, and every module registered after the body.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from torch import nn
from transformers.pytorch_utils import Conv1D

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.module_names import in_matching_module, is_inside, matches

_LINEAR = (nn.Linear, Conv1D)
_TYPE = "Type both: backbone.targets=[NAME,NAME] backbone.head=[NAME], as the model names its modules"


class Parts(NamedTuple):
    """`targets` and `head` are suffixes of module names, as PEFT matches them; `layers` counts the target layers.

    `classifier` are the modules whose size is the number of classes. `new` are these and the other modules of the head
    that the checkpoint does not hold: they start from random values. Both are full names.
    """

    targets: list[str]
    head: list[str]
    new: list[str]
    classifier: list[str]
    layers: int


def find_parts(
    two: nn.Module,
    three: nn.Module,
    stored: Collection[str],
    targets: list[str] | None = None,
    head: list[str] | None = None,
) -> Parts:
    """Return the parts of one classifier, built for two and for three classes; meta tensors will do.

    `stored` are the names of the tensors in its checkpoint; `targets` and `head` are found if they are None. Raises
    RequestError where what is to be found is ambiguous.
    """
    sizes = {name: p.shape for name, p in three.named_parameters()}
    sized = list(dict.fromkeys(_owner(n) for n, p in two.named_parameters() if sizes[n] != p.shape))
    stacks = _stacks(two)
    kind, names = type(two).__name__, [name for name, _ in two.named_modules() if name]
    _require_there(names, targets=targets, head=head)
    if targets is None and all(name in sized for name, module in two.named_modules() if isinstance(module, _LINEAR)):
        raise RequestError(f"{kind} has no linear layer but its classifier, so there is nothing to adapt.")
    if targets is None and not stacks:
        raise RequestError(f"{kind} has no stack of blocks with linear layers, so its targets are not clear. {_TYPE}.")
    if head is None:
        head = _head(two, sized, stacks, stored)
        in_blocks = any(is_inside(name, stacks) for name in sized)
        strangers = [name for name in names if in_matching_module(name, head) and not is_inside(name, head)]
        if not head or not sized or in_blocks or strangers:
            seen = ", ".join([*head, *strangers]) or "none"
            raise RequestError(f"{kind} leaves open which modules are its head (candidates: {seen}). {_TYPE}.")
    elif outside := [name for name in sized if not in_matching_module(name, head)]:
        raise RequestError(
            f"backbone.head={head} leaves out {outside[0]}, whose size is the number of classes. Add it to the list."
        )
    linear = [n for n, m in two.named_modules() if isinstance(m, _LINEAR) and not in_matching_module(n, head)]
    if targets is None:
        targets = _suffixes([n for n in linear if is_inside(n, stacks)], names, head)
    absent = [_owner(n) for n in sizes if in_matching_module(n, head) and not _is_stored(n, stored)]
    new = list(dict.fromkeys([*sized, *absent]))
    return Parts(targets, head, new, sized, sum(matches(name, targets) for name in linear))


def _require_there(names: list[str], **asked: list[str] | None) -> None:
    """Raise RequestError for a suffix in a list that no module has."""
    for key, suffixes in asked.items():
        for suffix in suffixes or []:
            if not any(matches(name, [suffix]) for name in names):
                leaves = {name.rpartition(".")[2] for name in names} - set(map(str, range(len(names))))
                raise RequestError(
                    f"backbone.{key}: the model has no module {suffix!r}. {did_you_mean(suffix, leaves)}"
                )


def _head(model: nn.Module, sized: list[str], stacks: list[str], stored: Collection[str]) -> list[str]:
    """Return the poolers that start anew, the sized modules inside the body, and all modules after the body."""
    children = [name for name, _ in model.named_children()]
    body = [children.index(stack.partition(".")[0]) for stack in stacks]
    after = children[max(body, default=len(children)) + 1 :]
    last = [name for name in after if any(True for _ in model.get_submodule(name).parameters())]
    inside = [name for name in [*_absent_poolers(model, stacks, stored), *sized] if not is_inside(name, last)]
    return [*dict.fromkeys(inside), *last]


def _stacks(model: nn.Module) -> list[str]:
    """Return the outermost lists of blocks that hold linear layers."""
    found: list[str] = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.ModuleList | nn.Sequential) or is_inside(name, found):
            continue
        blocks = [block for block in module if not isinstance(block, _LINEAR)]
        same = isinstance(module, nn.ModuleList) or len({type(block) for block in blocks}) < len(blocks)
        if same and any(isinstance(part, _LINEAR) for block in blocks for part in block.modules()):
            found.append(name)
    return found


def _absent_poolers(model: nn.Module, stacks: Iterable[str], stored: Collection[str]) -> list[str]:
    """Return the poolers in the body that the checkpoint does not hold: that of a BERT saved without it starts anew."""
    return [
        name
        for name, module in model.named_modules()
        if "pooler" in name.rpartition(".")[2]
        and not is_inside(name, stacks)
        and (parameters := [p for p, _ in module.named_parameters()])
        and not any(_is_stored(f"{name}.{p}", stored) for p in parameters)
    ]


def _suffixes(wanted: list[str], names: list[str], head: list[str]) -> list[str]:
    """Return the shortest suffixes that match the wanted layers, and nothing else outside the head."""
    others = [name for name in names if name not in wanted and not in_matching_module(name, head)]
    found: dict[str, None] = {}
    for name in wanted:
        if not matches(name, found):
            parts = name.split(".")
            tails = (".".join(parts[-length:]) for length in range(1, len(parts) + 1))
            found[next(tail for tail in tails if not any(matches(other, [tail]) for other in others))] = None
    return list(found)


def _owner(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _is_stored(name: str, stored: Collection[str]) -> bool:
    """Return whether the checkpoint holds a tensor, also where it was saved from the body alone."""
    return name in stored or name.partition(".")[2] in stored
