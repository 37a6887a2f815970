"""What sets runs of one method apart: the settings in which their configurations differ."""

from collections.abc import Iterable, Mapping

from frod_bench.record import StoredRun

_LONGEST = 500  # characters of a label: a table is as wide as its widest cell


def settings(run: StoredRun) -> dict[str, str]:
    """Return what the runs of one experiment have in common, `{dotted key: value}`: all settings but the seed.

    The version of the data is a part of it: runs on different rows are different experiments.
    """
    return {key: value for key, value in settings_with_seed(run).items() if key != "seed"}


def settings_with_seed(run: StoredRun) -> dict[str, str]:
    """Return all settings of a run and the version of its data, `{dotted key: value}`."""
    version = {f"data.{key}": run.record.data.get(key) for key in ("revision", "fingerprint")}
    known = run.record.settings | {key: value for key, value in version.items() if value is not None}
    return {key: str(value) for key, value in known.items()}


def differing(variants: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the keys that do not have one and the same value in all the variants."""
    pairs = [set(variant.items()) for variant in variants]
    return {key for key, _ in set.union(*pairs) - set.intersection(*pairs)}


def label(method: str, variant: Mapping[str, str], keys: Iterable[str]) -> str:
    """Return the method's name with the values of the `keys` that tell its variants apart.

    A key is cut down to its last word where that is clear: "frod, sparsity=0.1".
    """
    keys = sorted(keys)
    words = [key.rpartition(".")[2] for key in keys]
    shown = [word if words.count(word) == 1 else key for key, word in zip(keys, words, strict=True)]
    values = [f"{name}={variant.get(key, 'default')}" for key, name in zip(keys, shown, strict=True)]
    name = ", ".join([method, *values])
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
