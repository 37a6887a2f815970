"""Rows together with the files that they come from, so that messages can name them."""

from collections.abc import Sequence
from dataclasses import dataclass

from datasets import Dataset

_COUNTED = "row 0 follows the header"


@dataclass(frozen=True)
class NamedRows:
    """`files` holds the name of every file or data set and its number of rows, in the order of the rows."""

    rows: Dataset
    files: Sequence[tuple[str, int]]

    def __str__(self) -> str:
        names = [name for name, _ in self.files]
        return ", ".join(names if len(names) < 4 else [*names[:2], f"… {names[-1]}"])

    def row(self, number: int) -> str:
        """Return the name of a row in messages, with its number in its own file."""
        for name, count in self.files:
            if number < count:
                counted = f" ({_COUNTED})" if name.lower().endswith((".csv", ".tsv")) else ""
                return f"Row {number} of {name}{counted}"
            number -= count
        raise IndexError(number)
