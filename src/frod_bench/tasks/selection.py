"""Choose rows by fixed rules: the same rows for every method and every seed of a run.

Four rules leave rows out of training, in this order. `held_back` is an option of a task: it reproduces a recipe that
used only a part of the official training split, and nothing ever reads those rows. `more_eval` moves rows to
an evaluation split that has too few. `max_train` is an option of a run
that makes it shorter. The hold-out selects the epoch with `selection=holdout`: by default a tenth of what is left; with
`data.holdout`, rows that are chosen before `max_train`, so that they are the same at every number of training rows.
"""

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from frod_bench.errors import RequestError

if TYPE_CHECKING:  # importing it takes a second, which a plan or a refusal does not need
    from datasets import Dataset

SUBSET_SEED = 0
ROW = "_row"  # the column with the number of a row in the source's split


def numbered(rows: "Dataset", first: int = 0) -> "Dataset":
    """Return the rows with the column `ROW`, counted from `first`; rows that have it keep it."""
    if ROW in rows.column_names:
        return rows
    return rows.add_column(ROW, list(range(first, first + len(rows))))


def subset(rows: "Dataset", limit: int | None, option: str) -> "Dataset":
    """Return `limit` rows in file order: the first of one fixed shuffle, so that smaller subsets lie in larger ones.

    None, or a limit above the number of rows, keeps all rows. `option` is the name by which the user set the limit.
    Raises `RequestError` for a limit that is not a whole number above 0.
    """
    check_limit(limit, option)
    if limit is None or limit >= len(rows):
        return rows
    order = list(range(len(rows)))
    random.Random(SUBSET_SEED).shuffle(order)
    return rows.select(sorted(order[:limit]))


def check_limit(limit: Any, option: str) -> None:
    """Raise `RequestError` unless the limit is None or a whole number above 0."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise RequestError(f"{option}={limit} is not accepted: give a whole number above 0, or null for all rows.")


def rows_left(rows: int, held_back: Sequence[float] | None) -> int:
    """Return how many training rows remain, at least one, when `held_back` = (fraction, most rows) are never used."""
    if held_back is None:
        return rows
    share, most = held_back
    return max(rows - min(int(share * rows), int(most)), 1)


def every_nth(labels: Iterable[Hashable], n: int, first: int = 0) -> tuple[list[int], list[int]]:
    """Return the indices of rows `first`, first + n, … within each label, in row order, and those of all other rows.

    This is stratified: of a label with k rows, ceil((k - first) / n) are taken.
    """
    seen: defaultdict[Hashable, int] = defaultdict(int)
    taken: list[int] = []
    rest: list[int] = []
    for index, label in enumerate(labels):
        (taken if seen[label] % n == first else rest).append(index)
        seen[label] += 1
    return taken, rest


def check_part(part: Any, option: str) -> None:
    """Raise `RequestError` unless a part of the training rows is None, a whole number above 0 or a share below 1."""
    known = isinstance(part, int | float) and not isinstance(part, bool)
    if part is not None and not (known and (0 < part < 1 or (part >= 1 and part == int(part)))):
        raise RequestError(f"{option}={part} is not accepted: a number of training rows, a share such as 0.1, or null.")


def stratified_part(rows: "Dataset", label: str, part: int | float, option: str) -> "tuple[Dataset, Dataset]":
    """Return the other training rows and a part of them: so many rows, or that share, in proportion to the labels.

    Every label gets the whole part of its share, and the labels with the largest remainders one row more. Which rows of
    a label are taken is one fixed shuffle, so smaller parts lie in larger ones as far as rounding allows. Raises
    `RequestError`, naming the `option`, when no row would be taken or left.
    """
    count = round(part * len(rows)) if part < 1 else int(part)
    if not 0 < count < len(rows):
        raise RequestError(
            f"{option}={part} is not accepted: of {len(rows)} training rows, at least one has to be taken and one has"
            " to be left."
        )
    of_label: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, value in enumerate(rows[label]):
        of_label[value].append(index)
    exact = {value: count * len(own) / len(rows) for value, own in of_label.items()}
    taken = {value: int(share) for value, share in exact.items()}
    by_remainder = sorted(exact, key=lambda value: (taken[value] - exact[value], of_label[value][0]))
    for value in by_remainder[: count - sum(taken.values())]:
        taken[value] += 1
    held = []
    for value, own in of_label.items():
        random.Random(SUBSET_SEED).shuffle(own)
        held += own[: taken[value]]
    kept = sorted(set(range(len(rows))) - set(held))
    return rows.select(kept), rows.select(sorted(held))


def carve_holdout(rows: "Dataset", label: str) -> "tuple[Dataset, Dataset]":
    """Return the remaining training rows (90 %) and the hold-out: every tenth row of each label (10 %).

    Raises `RequestError` when no training row would be left.
    """
    held, kept = every_nth(rows[label], 10)
    if not kept:
        raise RequestError(
            f"A holdout cannot be carved from {len(rows)} training rows: each label needs at least two. "
            "Raise data.max_train, or leave out selection=holdout."
        )
    return rows.select(kept), rows.select(held)
