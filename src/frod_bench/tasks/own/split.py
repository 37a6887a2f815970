"""Evaluation rows for those who give none: a fixed part of the training rows."""

from collections.abc import Sequence

from frod_bench.errors import RequestError
from frod_bench.tasks.selection import every_nth

EVERY = 5
NOTE = "no evaluation rows given: of each class, rows 4, 9, 14, … in file order evaluate, the others train"


def divide(labels: Sequence[str], where: str) -> tuple[list[int], list[int]]:
    """Return the numbers of the training and of the evaluation rows: every fifth row of each class evaluates.

    A class with fewer than five rows only trains. Raises RequestError when no class has five.
    """
    evaluation, training = every_nth(labels, EVERY, first=EVERY - 1)
    if not evaluation:
        raise RequestError(
            f"{where} has fewer than {EVERY} rows of each class, too few to keep some for evaluation. Give evaluation"
            " rows with task.eval=."
        )
    return training, evaluation
