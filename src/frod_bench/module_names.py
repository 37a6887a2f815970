"""Dotted names of modules: matched by suffix, as PEFT matches them, and grouped by kind.

The suffix `output.dense` matches `output.dense` and `layer.0.output.dense`, but not `layer.0.myoutput.dense`.
"""

import re
from collections.abc import Iterable


def matches(name: str, suffixes: Iterable[str]) -> bool:
    """Return whether a name equals one of the suffixes or ends with one after a dot."""
    return any(name == suffix or name.endswith(f".{suffix}") for suffix in suffixes)


def in_matching_module(name: str, suffixes: Iterable[str]) -> bool:
    """Return whether the module or parameter `name` is, or lies inside, a module that one of the suffixes matches."""
    return any(f".{suffix}." in f".{name}." for suffix in suffixes)


def is_inside(name: str, modules: Iterable[str]) -> bool:
    """Return whether `name` is, or lies inside, one of the modules given by their full names."""
    return f"{name}.".startswith(tuple(f"{module}." for module in modules))


def category(name: str) -> str:
    """Return the kind of a module: its name without the numbers of layers."""
    return re.sub(r"\.\d+(?=\.|$)", "", f".{name}").lstrip(".")
