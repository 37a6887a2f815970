"""Made-up rows in a task's schema, for smoke tests."""

import random
from typing import Any

from datasets import ClassLabel, Dataset, Features, Image, List

from frod_bench.tasks.sources.pattern import striped

_FILLER = ("the", "a", "this", "that", "there", "here", "some", "very", "today", "also", "it", "was", "is")
_CUES = ("good", "bad", "red", "green", "north", "south", "early", "late", "young", "old")


class GeneratedSource:
    """Rows whose texts hold a word, or whose images show a pattern, that gives the label away.

    Labels alternate, and every process generates the same rows. A text is a few filler words around the cue of its
    label, and ends with the row number, so that no two rows of a split are equal.
    """

    def __init__(self, train_rows: int = 64, eval_rows: int = 32):
        self._rows = {"train": train_rows}
        self._eval_rows = eval_rows

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return `train_rows` rows of the split "train", and `eval_rows` of any other split."""
        words = random.Random(f"{repo}/{config}/{split}")
        label_column = next(name for name, kind in schema.items() if isinstance(kind, ClassLabel))
        num_labels = schema[label_column].num_classes
        rows = []
        for number in range(self.count(repo, config, split, schema)):
            label = number % num_labels
            row = {n: _value(k, words, label, num_labels, number) for n, k in schema.items() if n != label_column}
            rows.append({**row, label_column: label})
        return Dataset.from_list(rows, features=schema)

    def count(self, repo: str, config: str, split: str, schema: Features) -> int:
        """See `Source.count`."""
        return self._rows.get(split, self._eval_rows)

    def provenance(self) -> dict[str, str]:
        """Return the source, and a note that the rows are not the task's."""
        return {"source": "generated", "note": "made-up rows in the task's schema: no result about the task"}


def _value(kind: Any, words: random.Random, label: int, num_labels: int, number: int) -> Any:
    """Return an image, a text, or a list or record of texts; a list of class labels holds each class once."""
    if isinstance(kind, Image):
        return {"bytes": striped(label, num_labels, number)}
    if isinstance(kind, dict):
        return {name: _value(inner, words, label, num_labels, number) for name, inner in kind.items()}
    if isinstance(kind, List) and isinstance(kind.feature, ClassLabel):
        return list(range(kind.feature.num_classes))
    if isinstance(kind, List):
        return [_value(kind.feature, words, label, num_labels, number) for _ in range(kind.length)]
    return _text(words, label, number)


def _text(words: random.Random, label: int, number: int) -> str:
    before, after = words.choices(_FILLER, k=words.randint(1, 6)), words.choices(_FILLER, k=words.randint(1, 6))
    return " ".join((*before, _CUES[label], *after, str(number)))
