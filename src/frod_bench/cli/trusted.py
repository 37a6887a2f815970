"""Objects from a configuration: only classes of this package, and nothing hidden deeper in it."""

from collections.abc import Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from frod_bench.errors import RequestError
from frod_bench.methods import make_method
from frod_bench.methods.base import Method

_ABOUT = ("name", "description", "citation")  # keys of a method's YAML that are no options


def build(part: dict[str, Any], group: str) -> Any:
    """Return what `_target_`, a class of `frod_bench.<group>`, makes of the other keys of `part`.

    Raises RequestError for any other target, for one below the top, which Hydra would call too, and for what the
    class does not take. A configuration may come from somebody else.
    """
    target = part.get("_target_")
    if not isinstance(target, str) or not target.startswith(f"frod_bench.{group}."):
        raise RequestError(f"_target_={target} is not one of frod-bench's {group}.")
    plain = {key: value for key, value in part.items() if key not in ("_target_", "_convert_")}
    if hidden := _special(plain):
        raise RequestError(f"{hidden} is not accepted in the configuration of {part.get('name')}: only plain values.")
    try:
        return instantiate(part)
    except InstantiationException as error:
        for cause in _causes(error):  # also an interrupt that a library's import took for its own failure
            if isinstance(cause, RequestError) or not isinstance(cause, Exception):
                raise cause from None
        raise RequestError(f"{part.get('name')} cannot be made: {' '.join(str(error).split())}") from error


def build_method(part: dict[str, Any]) -> Method:
    """Return the method of a resolved configuration; an option that is null is left to the method."""
    options = {key: value for key, value in part.items() if key not in _ABOUT and value is not None}
    return make_method(part["name"], **options)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what lies behind an error, the nearest first."""
    while (error := error.__cause__ or error.__context__) is not None:
        yield error


def _special(value: Any) -> str | None:
    """Return a key that Hydra gives a meaning of its own, if there is one."""
    if isinstance(value, list):
        return next(filter(None, map(_special, value)), None)
    if not isinstance(value, dict):
        return None
    own = (str(key) for key in value if str(key).startswith("_"))
    return next(own, None) or next(filter(None, map(_special, value.values())), None)
