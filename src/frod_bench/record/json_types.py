"""Check the types of values read from JSON."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, get_args

from frod_bench.reading import LARGEST

JsonType = Any  # str, bool, int, float, list, `… | None`, or a dict of such types as in `type_problem`

_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
_NUMBERS = (int, float)


def type_problem(value: Any, kind: JsonType, where: str, complete: bool = True) -> str | None:
    """Return what is wrong with the type of a value, or None; `where` names the value.

    float accepts whole numbers too. A dict gives the type of each key of an object; a key that ends in `?` may be
    missing or null, and the key `str` stands for every other key. Unless `complete`, any key may be missing.
    """
    if not isinstance(kind, dict):
        return None if _is_of(value, kind) else f"{where} is {value!r:.80}, not {_in_words(kind)}"
    if not isinstance(value, dict):
        return f"{where} is {value!r:.80}, not an object"
    if complete and not kind.keys() <= value.keys() and (missing := _missing(value, kind)):
        return f"{where} lacks {', '.join(missing)}"
    others = kind.get(str)
    only = others if len(kind) == 1 else None
    if only is not None and not isinstance(only, dict) and _are_numbers(value.values(), only):
        return None
    for key, part in value.items():
        expected = kind.get(key) if only is None else only
        if expected is None and part is None and f"{key}?" in kind:
            continue
        if expected is None:
            expected = kind.get(f"{key}?", others)
        if expected is None or (not isinstance(expected, dict) and _is_of(part, expected)):
            continue
        if problem := type_problem(part, expected, f"{where}.{key}"):
            return problem
    return None


def first_problem(values: Iterable[Any], kind: JsonType, where: str) -> str | None:
    """Return what is wrong with the type of the first such value in a list, or None; `where` names the list."""
    problems = (type_problem(value, kind, f"{where}[{place}]") for place, value in enumerate(values))
    return next(filter(None, problems), None)


def _missing(value: dict[str, Any], kind: JsonType) -> list[str]:
    return [key for key in kind if key is not str and key not in value and not key.endswith("?")]


def _in_words(kind: JsonType) -> str:
    return " or ".join(_NAMES.get(one, "null") for one in get_args(kind) or (kind,))


@cache
def _accepted(kind: JsonType) -> tuple[type, ...]:
    """Return the types of Python whose values are of this kind."""
    kinds = get_args(kind) or (kind,)
    return (*kinds, int) if float in kinds else kinds


def _are_numbers(values: Collection[Any], kind: JsonType) -> bool:
    """Return whether the values are numbers of this kind; quick, as the values of all layers are."""
    types = set(map(type, values))
    return types.issubset(_NUMBERS) and types.issubset(_accepted(kind)) and max(map(abs, values), default=0) <= LARGEST


def _is_of(value: Any, kind: JsonType) -> bool:
    if isinstance(value, bool):
        return bool in _accepted(kind)
    return isinstance(value, _accepted(kind)) and (not isinstance(value, _NUMBERS) or -LARGEST <= value <= LARGEST)
