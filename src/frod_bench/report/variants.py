"""The settings in which the runs of one method differ."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from frod_bench.record import StoredRun
from frod_bench.record.identity import full_name, named_settings

DEFAULT = "default"  # of a setting that a record leaves out
_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
_VARIANT = re.compile(r"(?s)(.*?), \S+=")
_LONGEST = 500  # characters of a label; a longer one would make the table too wide


def settings(run: StoredRun) -> dict[str, str]:
    """Return the settings that all seeds of one experiment share, `{dotted key: value}`.

    The version of the data is one of them: runs on different rows are different experiments.
    """
    return {key: value for key, value in settings_with_seed(run).items() if key != "seed"}


def settings_with_seed(run: StoredRun) -> dict[str, str]:
    """Return all settings of a run and the version of its data, `{dotted key: value}`."""
    # settings of a task of one's own hold the fingerprint already
    keys = ("revision",) if "task.content.train" in run.record.settings else ("revision", "fingerprint")
    version = {f"data.{key}": run.record.data.get(key) for key in keys}
    known = run.record.settings | {key: value for key, value in version.items() if value is not None}
    return {key: str(value) for key, value in known.items()}


def method_of(run: StoredRun) -> str:
    """Return the name of a run's method in a report; of a tuner of PEFT it is "PEFT SHiRA"."""
    return full_name(run.record.method, run.record.settings)


def method_in(name: str) -> str:
    """Return the method in a name that `label` gives: "frod" of "frod, side=short"; other names are their own."""
    return found[1] if (found := _VARIANT.match(name)) else name


def differing(variants: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the keys whose value is not the same in all variants."""
    pairs = [set(variant.items()) for variant in variants]
    first, *others = pairs
    return {key for key, _ in first.union(*others) - first.intersection(*others)}


def label(method: str, variant: Mapping[str, str], keys: Iterable[str]) -> str:
    """Return the method's name with the values of the `keys` that distinguish its variants.

    A key is shortened to its last word where that is unambiguous: "frod, sparsity=0.1". A setting that a run's record
    leaves out has its default: "frod, pattern=default". Digests are shortened. A variant of ours is always named:
    "frod, side=short".
    """
    words = _words(sorted({*keys, *named_settings(variant)}))
    return _shortened(", ".join([method, *(f"{word}={variant.get(key, DEFAULT)}" for key, word in words.items())]))


class Named(NamedTuple):
    """The names of a method's variants, and what else a setting in a name stands for."""

    names: list[str]
    notes: list[str]


def differing_within(placed: Iterable[tuple[str, Mapping[str, str]]]) -> set[str]:
    """Return the keys that differ between variants of one task; recipes differ between tasks by design."""
    by_task: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for task, variant in placed:
        by_task[task].append(variant)
    return {key for variants in by_task.values() for key in differing(variants)}


def short_names(method: str, placed: Sequence[tuple[str, Mapping[str, str]]]) -> Named:
    """Return the name of every (task, variant) by the settings that differ within a task, without defaults.

    Of settings that always change together a name has the first, and a note says what its values stand for.
    """
    keys = sorted(differing_within(placed), key=lambda key: (not key.startswith("method."), key))
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for key in keys:
        seen: dict[str, int] = {}
        values = (variant.get(key, DEFAULT) for _, variant in placed)
        together[tuple(seen.setdefault(value, len(seen)) for value in values)].append(key)
    kept = [group[0] for group in together.values()]
    named = [
        {key: value for key, value in variant.items() if key in named_settings(variant) or key in kept}
        for _, variant in placed
    ]
    words = _words(sorted({*kept, *(key for own in named for key in own)}))
    notes = [f"{method}: {_stands_for(group, placed)}." for group in together.values() if len(group) > 1]
    names = [", ".join([method, *(f"{words[key]}={own[key]}" for key in words if key in own)]) for own in named]
    return Named([*map(_shortened, names)], [*map(_shortened, notes)])


def _stands_for(keys: Sequence[str], placed: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Return "epochs=5 is with schedule=linear; epochs=10 is with schedule=constant"."""
    words = _words(keys)
    found = dict.fromkeys(tuple(f"{words[key]}={variant.get(key, DEFAULT)}" for key in keys) for _, variant in placed)
    return "; ".join(f"{first} is with {', '.join(rest)}" for first, *rest in found)


def _words(keys: Sequence[str]) -> dict[str, str]:
    """Return the last word of every key, or the whole key where that is ambiguous."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: word if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)}


def _shortened(name: str) -> str:
    name = _DIGEST.sub(r"\1", name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
