"""The settings in which the runs of one method differ."""

from collections.abc import Iterable, Mapping

from frod_bench.record import StoredRun
from frod_bench.record.identity import full_name, named_settings

_LONGEST = 500  # characters of a label; a longer one would make the table too wide


def settings(run: StoredRun) -> dict[str, str]:
    """Return the settings that all seeds of one experiment share, `{dotted key: value}`.

    The version of the data is one of them: runs on different rows are different experiments.
    """
    return {key: value for key, value in settings_with_seed(run).items() if key != "seed"}


def settings_with_seed(run: StoredRun) -> dict[str, str]:
    """Return all settings of a run and the version of its data, `{dotted key: value}`."""
    version = {f"data.{key}": run.record.data.get(key) for key in ("revision", "fingerprint")}
    known = run.record.settings | {key: value for key, value in version.items() if value is not None}
    return {key: str(value) for key, value in known.items()}


def method_of(run: StoredRun) -> str:
    """Return the name of a run's method in a report; of a tuner of PEFT it is "PEFT SHiRA"."""
    return full_name(run.record.method, run.record.settings)


def differing(variants: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the keys whose value is not the same in all variants."""
    pairs = [set(variant.items()) for variant in variants]
    first, *others = pairs
    return {key for key, _ in first.union(*others) - first.intersection(*others)}


def label(method: str, variant: Mapping[str, str], keys: Iterable[str]) -> str:
    """Return the method's name with the values of the `keys` that distinguish its variants.

    A key is shortened to its last word where that is unambiguous: "frod, sparsity=0.1". A setting that a run's record
    leaves out has its default: "frod, pattern=default". A variant of ours is always named: "frod, side=short".
    """
    keys = sorted({*keys, *named_settings(variant)})
    words = [key.rpartition(".")[2] for key in keys]
    shown = [word if words.count(word) == 1 else key for key, word in zip(keys, words, strict=True)]
    values = [f"{name}={variant.get(key, 'default')}" for key, name in zip(keys, shown, strict=True)]
    name = ", ".join([method, *values])
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
