"""The modules and parameters of a model under the names they have without wrappers such as `torch.compile`'s."""

import re
from collections.abc import Iterator

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

_RESERVED = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # what torch's wrappers call their one
_IN_NAME = re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(_RESERVED)})(?:\.|$)")
_CALLED_MODULE = (DataParallel, DistributedDataParallel, AveragedModel)  # a model's own part may be called so too
_PARAMETRISED = re.compile(r"parametrizations\.([^.]+)\.original$")


def strip_wrappers(name: str) -> str:
    """Return a dotted name without the parts that only wrappers of torch have: of a file, or typed by a user."""
    return _IN_NAME.sub("", name).rstrip(".")


def unwrap(module: nn.Module) -> nn.Module:
    """Return what the wrappers around a module hold; the module itself where there are none."""
    while (leaf := _wrapped(module)) is not None:
        module = module._modules[leaf]
    return module


def _wrapped(module: nn.Module) -> str | None:
    if isinstance(module, _CALLED_MODULE):
        return "module"
    return next((leaf for leaf in _RESERVED if leaf in module._modules), None)


def named_modules_with_paths(model: nn.Module, remove_duplicate: bool = True) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield the name without wrappers, the name as it is, and the module, for all modules but the wrappers."""
    plain = {"": ""}
    modules = {"": model}
    for name, module in model.named_modules(remove_duplicate=remove_duplicate):
        modules[name] = module
        if name:
            parent, _, leaf = name.rpartition(".")
            inside = leaf == _wrapped(modules[parent])
            plain[name] = plain[parent] if inside else f"{plain[parent]}.{leaf}".lstrip(".")
        if _wrapped(module) is None:
            yield plain[name], name, module


def named_modules(model: nn.Module, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Module]]:
    """Yield what `model.named_modules` does, without wrappers and their parts of the names."""
    for name, _, module in named_modules_with_paths(model, remove_duplicate):
        yield name, module


def named_parameters(model: nn.Module, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield what `model.named_parameters` does, without the wrappers' parts of the names."""
    seen = set()
    for path, module in named_modules(model, remove_duplicate):
        for leaf, parameter in module._parameters.items():
            if parameter is None or (remove_duplicate and parameter in seen):
                continue
            seen.add(parameter)
            yield f"{path}.{leaf}".lstrip("."), parameter


def submodule(model: nn.Module, name: str) -> nn.Module:
    """Return the module of that name, as `named_modules` gives it. Raises AttributeError where there is none."""
    module = unwrap(model)
    for part in filter(None, name.split(".")):
        module = unwrap(module.get_submodule(part))
    return module


def unparametrised_name(name: str) -> str:
    """Return the name that a parameter keeps when its module is parametrised (`torch.nn.utils.parametrize`)."""
    return _PARAMETRISED.sub(r"\1", name)
