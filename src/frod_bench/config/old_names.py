"""Overrides as they are typed, made into what Hydra takes; without Hydra, so that a help starts at once."""

import sys

from frod_bench.console import say
from frod_bench.record.renamed_keys import RENAMED_KEYS

OPEN_SECTIONS = ("method.config",)  # sections that take any key; whoever reads them checks the keys
_ADD = "++"  # Hydra's mark of a key that may be new


def current_override(word: str) -> str:
    """Return an override with the current name of its key, and say so on stderr if the word has the old one.

    A key of an open section is marked as one that may be new, which Hydra asks for.
    """
    key, equals, value = word.partition("=")
    if equals and is_in_open_section(key):
        return f"{_ADD}{word}"
    if not equals or key not in RENAMED_KEYS:
        return word
    say(f"frod-bench: {key} is now {RENAMED_KEYS[key]}; the old name works in this version only.", sys.stderr)
    return f"{RENAMED_KEYS[key]}={value}"


def is_in_open_section(key: str) -> bool:
    """Return whether a dotted key is an open section or lies in one."""
    return any(f"{key}.".startswith(f"{section}.") for section in OPEN_SECTIONS)
