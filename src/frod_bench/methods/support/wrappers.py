"""Names of modules and parameters without the parts that wrappers such as `torch.compile` add."""

import re
from collections.abc import Iterator

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

_RESERVED = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # attribute of a wrapped module
_IN_NAME = re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(_RESERVED)})(?:\.|$)")
_CALLED_MODULE = (
    DataParallel,
    DistributedDataParallel,
    AveragedModel,
)  # by `module`, a name that other parts may have
_PARAMETRISED = re.compile(r"parametrizations\.([^.]+)\.original$")


def strip_wrappers(name: str) -> str:
    """Return a dotted name, from a file or a user, without the parts that wrappers of torch add."""
    return _IN_NAME.sub("", name).rstrip(".")


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside any wrappers around `module`."""
    while (leaf := _wrapped(module)) is not None:
        module = module.get_submodule(leaf)
    return module


def _wrapped(module: nn.Module) -> str | None:
    if isinstance(module, _CALLED_MODULE):
        return "module"
    return next((leaf for leaf in _RESERVED if leaf in module._modules), None)


def named_modules_with_paths(model: nn.Module, remove_duplicate: bool = True) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield the name without wrappers, the full path, and the module, for every module that is no wrapper."""
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
    """Yield what `model.named_modules` does, without the wrappers and their parts of the names."""
    for name, _, module in named_modules_with_paths(model, remove_duplicate):
        yield name, module


def named_parameters(model: nn.Module, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield what `model.named_parameters` does, without the parts that wrappers add to the names."""
    seen = set()
    for path, module in named_modules(model, remove_duplicate):
        for leaf, parameter in module._parameters.items():
            if parameter is None or (remove_duplicate and parameter in seen):
                continue
            seen.add(parameter)
            yield f"{path}.{leaf}".lstrip("."), parameter


def submodule(model: nn.Module, name: str) -> nn.Module:
    """Return the module with a name from `named_modules`. Raises AttributeError if there is none."""
    module = unwrap(model)
    for part in filter(None, name.split(".")):
        module = unwrap(module.get_submodule(part))
    return module


def unparametrised_name(name: str) -> str:
    """Return the name of a parameter before its module was parametrised (`torch.nn.utils.parametrize`)."""
    return _PARAMETRISED.sub(r"\1", name)
