"""One file a published method. `attach` is the door for a user's own script."""

import importlib
import pkgutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import nn

from frod_bench.errors import RequestError, nearest
from frod_bench.methods.base import Adapted, Method, read_checkpoint_config

_SUPPORT = {"base", "injection", "peft_base"}


def method_names() -> list[str]:
    """Return the names of all methods: the files of this folder."""
    return sorted({module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])} - _SUPPORT)


def make_method(name: str, **options: Any) -> Method:
    """Return the method of that name. Raises RequestError for an unknown name, option or value."""
    if name not in method_names():
        raise RequestError(f"method={name!r} is not known. {nearest(name, method_names())}")
    cls = importlib.import_module(f"{__name__}.{name}").METHOD
    accepted = [f.name for f in fields(cls)]
    for option in options:
        if option not in accepted:
            raise RequestError(f"{name} has no option {option!r}. {nearest(option, accepted)}")
    return cls(**options)


def attach(
    model: nn.Module,
    method: str = "frod",
    *,
    targets: list[str],
    head: list[str] | None = None,
    seed: int = 0,
    **options: Any,
) -> Adapted:
    """Adapt `model` in place: the targets get adapters, the head is trained, the rest is frozen.

    `targets` and `head` are module-name suffixes, matched as PEFT matches them. `options` are the method's
    own, e.g. `sparsity` for frod and `rank` for lora. Raises RequestError for a name that matches nothing
    and an option that is not known or out of range.
    """
    return make_method(method, **options).attach(model, list(targets), list(head or []), seed)


def load_adapter(model: nn.Module, directory: str | Path) -> Adapted:
    """Attach what `Adapted.save` wrote, to a model with the same base weights.

    Raises RequestError when the directory holds no adapter or one made for other weights.
    """
    config = read_checkpoint_config(directory)
    options = config["options"]
    adapted = attach(
        model,
        config["method"],
        targets=config["targets"],
        head=config["head"],
        seed=config["seed"],
        **options,
    )
    adapted.load(directory)
    return adapted
