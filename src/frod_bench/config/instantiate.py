"""Build objects from a configuration: only classes of this package."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.methods import make_method
from frod_bench.methods.support.method import Method

_ABOUT = ("name", "version", "description", "citation", "pattern_of")  # keys of a method's YAML that are no options
_VERSION = "version"  # of the file, for the identity of a run
_OF_HYDRA = ("_target_", "_convert_")


def build(part: dict[str, Any], group: str) -> Any:
    """Call `part`'s `_target_`, a class defined in a file of `frod_bench.<group>`, with its other keys.

    Values are passed on unchanged, but for `together` with a `_target_` of their own, which are built in the same way:
    tasks that are trained together. Raises RequestError for any other target, as a configuration may come from somebody
    else, and for values that the class does not accept.
    """
    made = _class(part.get("_target_"), group)
    if any(map(_is_part, together := part.get("together") or ())):
        part = part | {"together": [build(each, group) if _is_part(each) else each for each in together]}
    try:
        return made(**{key: value for key, value in part.items() if key not in (*_OF_HYDRA, _VERSION)})
    except RequestError:
        raise
    except Exception as error:
        for cause in _causes(error):  # an interrupt that a library's import reported as its own failure
            if not isinstance(cause, Exception):
                raise cause from None
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"{part.get('name')} cannot be made: {reason}") from error


def build_method(part: dict[str, Any]) -> Method:
    """Return the method of a resolved configuration; a null option takes the method's default."""
    options = {key: value for key, value in part.items() if key not in _ABOUT and value is not None}
    return make_method(part["name"], **options)


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of an error, the nearest first."""
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield cause
        yield from _causes(cause)


def _class(target: Any, group: str) -> type:
    """Return the class, if a file of the group defines it; what such a file only imports is refused."""
    package = importlib.import_module(f"frod_bench.{group}")
    module, _, name = str(target).rpartition(".")
    if module in {file.name for file in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")}:
        found = vars(importlib.import_module(module)).get(name)
        if isinstance(found, type) and found.__module__ == module:
            return found
    raise RequestError(f"_target_={target} is not one of frod-bench's {group}.")
