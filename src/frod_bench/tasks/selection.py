"""Which rows are used: fixed rules, the same rows for every method and every run seed."""

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from frod_bench.errors import RequestError

if TYPE_CHECKING:  # it takes a second, and a plan or a refusal needs none of it
    from datasets import Dataset

SUBSET_SEED = 0


def subset(rows: "Dataset", limit: int | None, option: str) -> "Dataset":
    """Return `limit` rows in file order: the first of one fixed shuffle, so subsets lie in each other.

    `None`, or a limit above the number of rows, keeps all rows. `option` is what the user typed it as.
    Raises `RequestError` on a limit that is not a whole number above 0.
    """
    check_limit(limit, option)
    if limit is None or limit >= len(rows):
        return rows
    order = list(range(len(rows)))
    random.Random(SUBSET_SEED).shuffle(order)
    return rows.select(sorted(order[:limit]))


def check_limit(limit: Any, option: str) -> None:
    """Raise `RequestError` for a limit that is neither None nor a whole number above 0."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise RequestError(f"{option}={limit} is not accepted: give a whole number above 0, or null for all rows.")


def rows_left(rows: int, held_back: Sequence[float] | None) -> int:
    """Return how many training rows are used, one at least; `held_back` is the share that is not, and its limit."""
    if held_back is None:
        return rows
    share, most = held_back
    return max(rows - min(int(share * rows), most), 1)


def every_nth(labels: Iterable[Hashable], n: int) -> tuple[list[int], list[int]]:
    """Return the indices of rows 0, n, 2n, … within each label, in row order, and those of all other rows.

    Stratified by construction: of a label with k rows, ceil(k / n) are taken.
    """
    seen: defaultdict[Hashable, int] = defaultdict(int)
    taken, rest = [], []
    for index, label in enumerate(labels):
        (rest if seen[label] % n else taken).append(index)
        seen[label] += 1
    return taken, rest


def carve_holdout(rows: "Dataset", label: str) -> "tuple[Dataset, Dataset]":
    """Return the training rows that stay (90 %), and the holdout: every tenth row of each label (10 %).

    Raises `RequestError` when no training row would stay.
    """
    held, kept = every_nth(rows[label], 10)
    if not kept:
        raise RequestError(
            f"A holdout cannot be carved from {len(rows)} training rows: each label needs at least two. "
            "Raise data.max_train, or leave out selection=holdout."
        )
    return rows.select(kept), rows.select(held)
