"""Objects from a configuration: only classes of this package, and nothing hidden deeper in it."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.methods import make_method
from frod_bench.methods.support.method import Method

_ABOUT = ("name", "description", "citation")  # keys of a method's YAML that are no options
_OF_HYDRA = ("_target_", "_convert_")


def build(part: dict[str, Any], group: str) -> Any:
    """Return what `_target_`, a class that a file of `frod_bench.<group>` defines, makes of the other keys of `part`.

    The values are handed over as they are. Raises RequestError for any other target, and for what the class does not
    take. A configuration may come from somebody else.
    """
    made = _class(part.get("_target_"), group)
    try:
        return made(**{key: value for key, value in part.items() if key not in _OF_HYDRA})
    except RequestError:
        raise
    except Exception as error:
        for cause in _causes(error):  # an interrupt that a library's import took for its own failure
            if not isinstance(cause, Exception):
                raise cause from None
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"{part.get('name')} cannot be made: {reason}") from error


def build_method(part: dict[str, Any]) -> Method:
    """Return the method of a resolved configuration; an option that is null is left to the method."""
    options = {key: value for key, value in part.items() if key not in _ABOUT and value is not None}
    return make_method(part["name"], **options)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what lies behind an error, the nearest first."""
    while (error := error.__cause__ or error.__context__) is not None:
        yield error


def _class(target: Any, group: str) -> type:
    """Return the class; what the group's files only import, a module as well as a class, is out of reach."""
    package = importlib.import_module(f"frod_bench.{group}")
    module, _, name = str(target).rpartition(".")
    if module in {file.name for file in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")}:
        found = vars(importlib.import_module(module)).get(name)
        if isinstance(found, type) and found.__module__ == module:
            return found
    raise RequestError(f"_target_={target} is not one of frod-bench's {group}.")
