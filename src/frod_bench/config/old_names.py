"""Overrides with old names of options; without Hydra, so that a help starts at once."""

import sys

from frod_bench.console import say
from frod_bench.record.renamed_keys import RENAMED_KEYS


def current_override(word: str) -> str:
    """Return an override with the current name of its key, and say so on stderr if the word has the old one."""
    key, equals, value = word.partition("=")
    if not equals or key not in RENAMED_KEYS:
        return word
    say(f"frod-bench: {key} is now {RENAMED_KEYS[key]}; the old name works in this version only.", sys.stderr)
    return f"{RENAMED_KEYS[key]}={value}"
