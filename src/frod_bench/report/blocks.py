"""Blocks of a section: rows that saw the same data, under the shortest names that tell them apart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from frod_bench.report.summary import Row, Section
from frod_bench.report.variants import DEFAULT, Named, differing_within, method_in, settings, short_names

_MOST_BLOCKS = 20  # of a section
_VERSIONS = ("data.revision", "data.fingerprint")
_RATES = "train.lr."
_NAMED = ("frod", "full_ft", "lora")  # what a reader looks for first

Variant = dict[str, str]


@dataclass(frozen=True)
class Block:
    """The rows of a section with the same settings of the data, named by what differs within the block.

    `data` says what sets it apart from the section's other blocks, "" if there is one alone. `notes` say which
    settings a name leaves out because another one tells them.
    """

    section: Section
    data: str = ""
    notes: Sequence[str] = ()

    @property
    def tasks(self) -> list[str]:
        """The tasks, in the order of the rows."""
        return list(dict.fromkeys(row.task for row in self.section.rows))

    @property
    def methods(self) -> list[str]:
        """The methods without their variants."""
        return list(dict.fromkeys(row.method_only for row in self.section.rows))


def blocks(section: Section) -> list[Block]:
    """Split a section wherever runs of one task differ in the settings of their data; the largest block is first."""
    variants = [settings(row.runs[0]) for row in section.rows]
    differ = differing_within((row.task, variant) for row, variant in zip(section.rows, variants, strict=True))
    keys = sorted(key for key in differ if key.startswith("data.") and key not in _VERSIONS)
    groups: dict[tuple[str, ...], list[tuple[Row, Variant]]] = defaultdict(list)
    for row, variant in zip(section.rows, variants, strict=True):
        groups[tuple(variant.get(key, DEFAULT) for key in keys)].append((row, variant))
    if len(groups) > _MOST_BLOCKS:
        keys, groups = [], {(): list(zip(section.rows, variants, strict=True))}
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))
    return [_block(section, group, _data(keys, values)) for values, group in largest]


def highlighted(scores: Mapping[str, float]) -> set[str]:
    """Return the names that a picture shows in colour: the best, and the best variants of FRoD, full_ft and LoRA.

    `scores` has the score of every name in the picture. All, if there are no more than four.
    """
    if len(scores) <= len(_NAMED) + 1:
        return set(scores)
    ranked = sorted(scores, key=lambda name: -scores[name])
    first = {method_in(name): name for name in reversed(ranked)}
    return {ranked[0]} | {first[method] for method in _NAMED if method in first}


def _data(keys: Sequence[str], values: Sequence[str]) -> str:
    set_apart = [f"{k.removeprefix('data.')}={v}" for k, v in zip(keys, values, strict=True) if v != DEFAULT]
    return ", ".join(set_apart) or ("default rows" if keys else "")


def _block(section: Section, group: list[tuple[Row, Variant]], data: str) -> Block:
    names: dict[int, str] = {}
    notes: list[str] = []
    by_method: dict[str, list[int]] = defaultdict(list)
    for place, (row, _) in enumerate(group):
        by_method[row.method_only].append(place)
    for method, places in by_method.items():
        named = _names(method, [group[place] for place in places])
        names |= dict(zip(places, named.names, strict=True))
        notes += named.notes
    rows = [row for row, _ in group]
    renamed = [replace(row, method=names[place]) for place, row in enumerate(rows)]
    if len({(row.task, row.method) for row in renamed}) == len(renamed):
        rows = sorted(renamed, key=lambda row: (row.task, row.method))
    return Block(Section(section.setting, rows), data, notes)


def _names(method: str, group: list[tuple[Row, Variant]]) -> Named:
    placed = [(row.task, variant) for row, variant in group]
    if all(row.runs[0].record.protocol == "fair" for row, _ in group):  # each task has its own rates
        apart = [(task, {k: v for k, v in variant.items() if not k.startswith(_RATES)}) for task, variant in placed]
        named = short_names(method, apart)
        if len({(task, name) for (task, _), name in zip(placed, named.names, strict=True)}) == len(placed):
            return named
    return short_names(method, placed)
