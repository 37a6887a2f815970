"""Match the classes of image rows by name: copies of a data set may number the classes differently."""

from collections.abc import Mapping, Sequence

from frod_bench.errors import RequestError


def class_positions(names: Sequence[str], expected: Sequence[str]) -> list[int]:
    """Return the index in `expected` of each name, ignoring case and punctuation.

    If the names are not a permutation of `expected`, the n-th name is taken as another spelling of the n-th class.
    """
    plain, wanted = list(map(_plain, names)), list(map(_plain, expected))
    if sorted(plain) == sorted(wanted) and len(set(wanted)) == len(wanted):
        return [wanted.index(name) for name in plain]
    return list(range(len(names)))


def require_same_classes(splits: Mapping[str, Sequence[str]]) -> None:
    """Raise `RequestError`, naming the first difference, when two splits differ in class names."""
    (first, names), *others = splits.items()
    for split, other in others:
        for number, (one, two) in enumerate(zip(names, other, strict=True)):
            if _plain(one) != _plain(two):
                raise RequestError(
                    f"Class {number} is {one!r} in {first} and {two!r} in {split}. Give both splits of one data set."
                )


def class_names_note(names: Sequence[str], expected: Sequence[str]) -> str | None:
    """Return a note when the names differ from the expected ones, else None."""
    differing = [(a, b) for a, b in zip(names, expected, strict=True) if _plain(a) != _plain(b)]
    if not differing:
        return None
    found, wanted = differing[0]
    return f"classes named otherwise than in task.label_names: {len(differing)}, {found!r} for {wanted!r} among them"


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
