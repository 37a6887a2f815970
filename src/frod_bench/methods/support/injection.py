"""Find target layers, refuse those that cannot be adapted, and put adapters in their place."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.parametrize import is_parametrized
from transformers.pytorch_utils import Conv1D

from frod_bench.adapters import Adapter
from frod_bench.adapters.offloaded_base import OffloadsBase
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.linalg.shapes import has_data
from frod_bench.methods.support.hooks import copy_attributes, has_patched_forward, move_hooks
from frod_bench.methods.support.weight_readers import weight_readers
from frod_bench.methods.support.wrappers import named_modules, named_parameters, submodule
from frod_bench.module_names import is_inside, matches
from frod_bench.ops.sharding import is_sharded

LINEAR_KINDS = (nn.Linear, Conv1D)  # Conv1D: that of transformers, as in GPT-2


def find_head(model: nn.Module, head: Sequence[str]) -> list[tuple[str, nn.Module]]:
    """Return the outermost modules that `head` matches. Raises RequestError for a name that matches nothing."""
    found = [(name, module) for name, module in named_modules(model) if matches(name, head)]
    names = [name for name, _ in found]
    _require_all("head", head, names, model)
    return [(name, module) for name, module in found if not is_inside(name.rpartition(".")[0], names)]


def find_targets(
    model: nn.Module,
    targets: Sequence[str],
    head: Sequence[str],
    quantised: bool = False,
) -> list[tuple[str, nn.Linear]]:
    """Return the linear layers that `targets` match outside the head, in the order of the model.

    A layer is an `nn.Linear` or a `Conv1D` of transformers, which stores its weight transposed (`base_weight`).

    Raises RequestError if the model is adapted or sharded already, if a name matches nothing, or if a match is not a
    linear layer, is wrapped, or has a weight that is offloaded, computed, shared, or read by the module around it;
    unless `quantised`, also for a packed weight and for a subclass that computes differently.
    """
    require_plain(model)
    if not targets:
        raise RequestError("targets is empty: name the linear layers to adapt, e.g. targets=[query,value].")
    head_modules = find_head(model, head) if head else []
    heads = [name for name, _ in head_modules]
    found = [
        (name, module)
        for name, module in named_modules(model, remove_duplicate=False)
        if matches(name, targets) and not is_inside(name, heads)
    ]
    _require_all("targets", targets, [name for name, _ in found], model)
    require_loaded(model, head_modules)
    for name, module in found:
        _require_adaptable(model, name, module, quantised)
    readers = weight_readers(model, _around(model, [name for name, _ in found]))
    if read := next((name for name, module in found if module in readers), None):
        reader = type(readers[dict(found)[read]]).__name__
        raise RequestError(
            f"The target {read} lies in a {reader}, which reads the weight and does not call the layer, so it would"
            " ignore an adapter there. Leave it out of targets."
        )
    require_loaded(model, found)
    _require_untied(model, found)
    return cast(list[tuple[str, nn.Linear]], found)


def _require_adaptable(model: nn.Module, name: str, module: nn.Module, quantised: bool) -> None:
    """Raise RequestError if an adapter in the place of `module` would compute another function, or not be called."""
    if not isinstance(module, LINEAR_KINDS):
        raise RequestError(f"The target {name} is a {type(module).__name__}; only nn.Linear and Conv1D can be adapted.")
    if "weight" not in module._parameters and not isinstance(module, OffloadsBase):
        raise RequestError(
            f"The weight of {name} is computed from others (a weight normalisation or the like), so nothing could"
            " be merged into it. Remove that first, e.g. by torch.nn.utils.parametrize.remove_parametrizations."
        )
    if is_parametrized(module, "bias"):
        raise RequestError(
            f"The bias of {name} is computed from others, so nothing could be merged into it. Remove that first, by"
            " torch.nn.utils.parametrize.remove_parametrizations."
        )
    if has_patched_forward(module):
        raise RequestError(
            f"The forward of the target {name} was replaced on the object itself, so an adapter there would be"
            " another function. Leave it out of targets, or put the class's back: del layer.forward."
        )
    if not quantised and type(module).forward not in [kind.forward for kind in LINEAR_KINDS]:
        raise RequestError(
            f"The target {name} is a {type(module).__name__}, which does not compute as nn.Linear does, so an"
            " adapter there would be another function. Leave it out of targets."
        )
    if not quantised and not cast(nn.Linear, module).weight.is_floating_point():
        raise RequestError(
            f"The weight of {name} is quantised ({type(module).__name__}), which this method cannot start from."
            " Load the model in half precision; method=qlora and method=qfura quantise it themselves."
        )
    path, _, leaf = name.rpartition(".")
    parent = submodule(model, path)
    if (wrapper := parent._modules.get(leaf, module)) is not module:
        raise RequestError(
            f"The target {name} alone is wrapped in a {type(wrapper).__name__}, which goes on calling the layer it"
            " was made for. Attach first, or wrap the model or its blocks instead."
        )


def _around(model: nn.Module, names: Iterable[str]) -> list[nn.Module]:
    """Return the modules around those with the given names, the innermost first."""
    paths = {".".join(parts[:depth]) for parts in (name.split(".") for name in names) for depth in range(len(parts))}
    return [submodule(model, path) for path in sorted(paths, key=lambda path: (-path.count("."), not path, path))]


def _require_untied(model: nn.Module, layers: Iterable[tuple[str, nn.Module]]) -> None:
    owners = defaultdict(list)
    for name, module in named_modules(model, remove_duplicate=False):
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)].append(name)
    for name, layer in layers:
        if others := [owner for owner in owners[id(layer.weight)] if owner != name]:
            raise RequestError(
                f"The target {name} has the same weight as {', '.join(others)}: merging into it would change them too."
                f" Leave it out of targets, or give it a copy: {name}.weight = nn.Parameter({name}.weight.clone())."
            )


def require_plain(model: nn.Module) -> None:
    """Raise RequestError for a model that has adapters, ours or PEFT's, or is distributed already."""
    for module in model.modules():
        if isinstance(module, DistributedDataParallel) or "_fsdp_wrapped_module" in module._modules:
            raise RequestError(
                f"The model is in a {type(module).__name__} already, which would not average the gradients of an"
                " adapter that comes later. Attach to the model itself, then wrap it."
            )
    if split := next((name for name, p in named_parameters(model) if is_sharded(p)), None):
        raise RequestError(f"{split} is split over processes already. Attach to the whole model, then split it.")
    peft = sys.modules.get("peft.tuners.tuners_utils")  # slow to import; whoever has its layers has it
    kinds = (Adapter,) if peft is None else (Adapter, peft.BaseTunerLayer)
    for name, module in named_modules(model):
        if isinstance(module, kinds):
            raise RequestError(
                f"The model has an adapter already ({name or 'it'} is a {type(module).__name__}): merge() or detach()"
                " it first. Several kinds of target are given at once, as in targets=[query,value]."
            )


def require_loaded(model: nn.Module, modules: Iterable[tuple[str, nn.Module]]) -> None:
    """Raise RequestError if accelerate has offloaded the weights of one of these modules."""
    if not any(hasattr(module, "_hf_hook") for module in model.modules()):
        return
    for name, module in modules:
        if any(parameter.is_meta for parameter in module.parameters()):
            raise RequestError(
                f"The weights of {name or 'the model'} are offloaded: accelerate loads them for a forward pass only,"
                " so they can be neither adapted nor trained. Load the model with a device_map that does not offload"
                " them."
            )


def require_finite(layers: Iterable[tuple[str, nn.Linear]]) -> None:
    """Raise RequestError for a layer whose weight holds NaN or infinity."""
    for name, layer in layers:
        if has_data(layer.weight) and not layer.weight.isfinite().all():
            raise RequestError(f"The weight of {name} holds NaN or infinity and cannot be decomposed.")


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the submodule called `name` by `module`, which takes over its hooks and attributes."""
    parent, _, leaf = name.rpartition(".")
    old = submodule(model, name)
    move_hooks(old, module)
    if isinstance(module, (Adapter, OffloadsBase)):
        copy_attributes(cast(nn.Linear, old), module)
    setattr(submodule(model, parent), leaf, module)


def train_only_head(model: nn.Module, head: Sequence[str]) -> list[nn.Parameter]:
    """Freeze every parameter except those of the head, and return these."""
    model.requires_grad_(False)
    parameters = {id(p): p for _, module in find_head(model, head) for p in module.parameters()} if head else {}
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    return list(parameters.values())


def _require_all(kind: str, suffixes: Iterable[str], found: list[str], model: nn.Module) -> None:
    for suffix in suffixes:
        if not any(matches(name, [suffix]) for name in found):
            if any(matches(name, [suffix]) for name, _ in named_modules(model)):
                raise RequestError(
                    f"{suffix!r} ({kind}) lies in the head, which is trained as a whole and not adapted."
                )
            linear = {n.rpartition(".")[2] for n, m in named_modules(model) if isinstance(m, LINEAR_KINDS)}
            raise RequestError(f"No module of the model is called {suffix!r} ({kind}). {did_you_mean(suffix, linear)}")
