"""The arguments of merges, which `merge` and `plan` share."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from frod_bench.errors import RequestError

if TYPE_CHECKING:  # torch takes seconds to import
    from frod_bench.methods.support.method import Method

HOWS = ("average", "task_arithmetic", "ties", "dare", "lori_cat", "lori_linear")
_DROPS, _DRAWS, _OF_FACTORS = ("ties", "dare"), "dare", "lori_linear"


class Way(NamedTuple):
    """One way to merge; the fields are those of `runs.merge.MergeRequest`."""

    how: str
    scales: list[float]
    density: float | None
    seed: int
    draws: int


class Group(NamedTuple):
    """Runs to merge. `name` is that of their folder, `label` what reports call them: None for their methods."""

    name: str
    runs: list[Path]
    label: str | None


def requested_hows(text: str | None) -> list[str]:
    """Return the ways to merge. Raises RequestError for an unknown one, or none."""
    hows = list(dict.fromkeys((text or "").split(",")))
    for how in hows:
        if how not in HOWS:
            raise RequestError(f"--how {text or ''} is not accepted: ways to merge, of {', '.join(HOWS)}.")
    return hows


def parsed_scales(option: str, text: str) -> list[float]:
    """Return the scales to try, in order. Raises RequestError for what is no number above 0."""
    try:
        scales = [float(word) for word in text.split(",") if word]
    except ValueError:
        scales = [0.0]
    if not all(0 < scale < 100 for scale in scales) or (option == "--scale" and len(scales) != 1):
        accepted = "a number" if option == "--scale" else "numbers with commas, as in 0.1,0.3,"
        raise RequestError(f"{option} {text} is not accepted: {accepted} above 0.")
    return list(dict.fromkeys(scales))


def requested_ways(hows: list[str], scales: list[float], density: float | None, seed: int, draws: int) -> list[Way]:
    """Return a way for each of `hows`; density and draws go to those that have them.

    Raises RequestError for a value out of range, and for one that none of them has.
    """
    named = ",".join(hows)
    if density is not None and not set(hows) & set(_DROPS):
        raise RequestError(f"--density is not accepted with --how {named}: it drops no entries.")
    if density is not None and not 0 < density <= 1:
        raise RequestError(f"--density {density} is not accepted: the share of kept entries lies in (0, 1].")
    if seed < 0:
        raise RequestError(f"--seed {seed} is not accepted: a whole number of 0 or more is.")
    if draws < 1:
        raise RequestError(f"--draws {draws} is not accepted: a whole number of 1 or more is.")
    if draws > 1 and _DRAWS not in hows:
        raise RequestError(f"--draws is not accepted with --how {named}: it draws nothing at random.")
    return [Way(h, scales, density if h in _DROPS else None, seed, draws if h == _DRAWS else 1) for h in hows]


def check_methods(ways: list[Way], methods: dict[str, "Method"]) -> None:
    """Raise RequestError for a way to merge that the method of a row, by the row's name, does not have."""
    wanted = any(way.how == _OF_FACTORS for way in ways)
    for row, method in methods.items():
        if wanted and not method.low_rank_update:
            raise RequestError(
                f"--how {_OF_FACTORS} is not accepted for {row}: it takes runs whose update is s B A, such as those of"
                " lora and lori."
            )


def merge_folders(groups: list[Group], ways: list[Way], to: Path) -> Iterator[tuple[Path, Group, Way]]:
    """Yield the folder of each merge below `to`, what it merges and how; a single merge is in `to` itself."""
    for group in groups:
        for way in ways:
            yield to / group.name / (way.how if group.name or len(ways) > 1 else ""), group, way


def add_draws(parser: argparse._ActionsContainer) -> None:
    """Add how many random merges are scored."""
    help_draws = f"score so many draws of {_DRAWS}; the first is written (default: 1)"
    parser.add_argument("--draws", type=int, default=1, metavar="N", help=help_draws)


def add_merges(parser: argparse.ArgumentParser) -> None:
    """Add the options of several merges."""
    group = parser.add_argument_group("merges of the runs of each method and seed")
    group.add_argument("--how", metavar="W,…", help=f"ways to merge: {', '.join(HOWS)}")
    group.add_argument("--scales", metavar="S,…", help="factors to choose from, on held-out training rows")
    add_draws(group)
