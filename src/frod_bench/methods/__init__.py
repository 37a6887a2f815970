"""One file per published method. `attach` and `load_adapter` are what a user's own script calls."""

import importlib
import operator
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from torch import nn

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.checkpoint import read_checkpoint_config, read_checkpoint_tensors
from frod_bench.methods.support.method import HEADS, Method
from frod_bench.methods.support.wrappers import strip_wrappers

_SMALL = 1024  # what a setting that is no size, such as an alpha, may be at least
ENTRY_POINTS = "frod_bench.methods"  # the group in which a package names its methods


def method_names() -> list[str]:
    """Return the names of all methods: those of the files in this folder, and of other packages' entry points."""
    return sorted({*_own_names(), *_entry_points()})


def make_method(name: str, /, **options: Any) -> Method:
    """Return the method called `name`. Raises RequestError for an unknown name, option or value."""
    cls = _method_class(name)
    accepted: dict[str, Any] = {f.name: f.type for f in fields(cls)}
    for option, value in options.items():
        if option not in accepted:
            raise RequestError(f"{name} has no option {option!r}. {did_you_mean(option, accepted)}")
        kind = accepted[option]
        if type(value) is int and kind is float:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            wanted = getattr(kind, "__name__", kind)
            raise RequestError(f"method.{option}={value!r} is not accepted: {name} takes {wanted} there.")
    if options.get("head") not in (*HEADS, None):
        raise RequestError(f"method.head={options['head']} is not known. {did_you_mean(options['head'], HEADS)}")
    return cls(**options)


def _method_class(name: str) -> type[Method]:
    if name in _own_names():
        return importlib.import_module(f"{__name__}.{name}").METHOD
    if (point := _entry_points().get(name)) is not None:
        return _load(point)
    raise RequestError(f"method={name!r} is not known. {did_you_mean(str(name), method_names())}")


@cache
def _own_names() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if not module.ispkg)


def _entry_points() -> dict[str, EntryPoint]:
    """Return the entry points by which installed packages bring methods; a name of ours stays ours."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in _own_names()}


def _load(point: EntryPoint) -> type[Method]:
    """Return the class of an entry point. Raises RequestError when it cannot be imported or is no method."""
    where = f"the entry point {point.name} = {point.value}" + (f" of {point.dist.name}" if point.dist else "")
    try:
        cls = point.load()
    except Exception as error:  # another package's code
        raise RequestError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Method)) or cls.name != point.name:
        raise RequestError(f"{where} is no subclass of frod_bench.methods.support.method.Method of that name.")
    return cls


def attach(
    model: nn.Module,
    method: str = "frod",
    *,
    targets: list[str],
    head: list[str] | None = None,
    seed: int = 0,
    **options: Any,
) -> Adapted:
    """Adapt `model` in place: the targets get adapters, the head stays trainable, everything else is frozen.

    `targets` and `head` are suffixes of module names, matched as PEFT matches them. `options` are the method's own,
    such as `sparsity` for frod and `rank` for lora; `seed` fixes every random draw. Raises RequestError for a name that
    matches nothing, an unknown option, and a model that the method cannot adapt correctly.
    """
    for kind, names in (("targets", targets), ("head", head)):
        if isinstance(names, str):
            raise RequestError(f"{kind}={names!r} is not accepted: give a list of module names, e.g. [{names!r}].")
    if not hasattr(seed, "__index__") or operator.index(seed) < 0:
        raise RequestError(f"seed={seed!r} is not accepted: a whole number of 0 or more is.")
    targets, head = ([strip_wrappers(name) for name in names or []] for names in (targets, head))
    return make_method(method, **options).attach(model, targets, head, operator.index(seed))


def load_adapter(model: nn.Module, directory: str | Path) -> Adapted:
    """Attach an adapter written by `Adapted.save`, or a FRoD adapter of PEFT, to a model with the same base weights.

    Raises RequestError if the directory holds no adapter, if the adapter was made for other base weights (full
    fine-tuning has none to compare), and for other adapters in PEFT's format: `PeftModel.from_pretrained` loads those.
    """
    config = read_checkpoint_config(directory)
    if "peft_type" in config:
        return _method_class(str(config["peft_type"]).lower()).load_peft(model, Path(directory), config)
    method = make_method(config["method"], **config["options"])
    largest = max((size for t in read_checkpoint_tensors(directory).values() for size in t.shape), default=0)
    _check_sizes(config["options"], largest, directory)
    adapted = method.attach(model, config["targets"], config["head"], config["seed"])
    adapted.load(directory)
    return adapted


def _check_sizes(options: Mapping[str, Any], largest: int, directory: str | Path) -> None:
    """Raise RequestError for a number that no saved tensor is as large as, before anything of that size is allocated.

    Settings of a PEFT tuner, which are nested, may be other things than sizes.
    """
    for option, value in options.items():
        if isinstance(value, dict):
            _check_sizes(value, max(largest, _SMALL), directory)
        elif type(value) is int and value > largest:
            raise RequestError(
                f"The adapter in {directory} does not fit its {option}={value}: it is damaged or edited."
            )
