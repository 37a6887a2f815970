"""Check the types of values read from JSON."""

from typing import Any, get_args

from frod_bench.reading import LARGEST

JsonType = Any  # str, bool, int, float, list, `… | None`, or a dict of such types as in `type_problem`

_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}


def type_problem(value: Any, kind: JsonType, where: str, complete: bool = True) -> str | None:
    """Return what is wrong with the type of a value, or None; `where` names the value.

    float accepts whole numbers too. A dict gives the type of each key of an object; a key that ends in `?` may be
    missing or null, and the key `str` stands for every other key. Unless `complete`, any key may be missing.
    """
    if not isinstance(kind, dict):
        wanted = " or ".join(_NAMES.get(one, "null") for one in _alternatives(kind))
        return None if _is_of(value, kind) else f"{where} is {value!r:.80}, not {wanted}"
    if not isinstance(value, dict):
        return f"{where} is {value!r:.80}, not an object"
    kinds = {key.removesuffix("?"): kind[key] for key in kind if key is not str}
    optional = {key.removesuffix("?") for key in kind if key is not str and key.endswith("?")}
    missing = [key for key in kinds if complete and key not in value and key not in optional]
    if missing:
        return f"{where} lacks {', '.join(missing)}"
    for key, part in value.items():
        expected = kinds.get(key, kind.get(str))
        if expected is None or (part is None and key in optional):
            continue
        if not isinstance(expected, dict) and _is_of(part, expected):
            continue
        if problem := type_problem(part, expected, f"{where}.{key}"):
            return problem
    return None


def _alternatives(kind: JsonType) -> tuple[type, ...]:
    return get_args(kind) or (kind,)


def _is_of(value: Any, kind: JsonType) -> bool:
    if kind is float and type(value) is float:  # the most frequent case
        return -LARGEST <= value <= LARGEST
    kinds = _alternatives(kind)
    if isinstance(value, bool):
        return bool in kinds
    if float in kinds:
        kinds += (int,)
    return isinstance(value, kinds) and not (isinstance(value, int | float) and abs(value) > LARGEST)
