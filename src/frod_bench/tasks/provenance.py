"""Notes on the origin of the rows that a record adds to those of their source."""

from collections.abc import Mapping
from typing import Any

from datasets import Dataset

from frod_bench.tasks.text import CUT


def with_notes(provenance: Mapping[str, Any], *notes: str | None) -> dict[str, Any]:
    """Return a source's provenance with the notes that are not None appended to its own note."""
    note = "; ".join(filter(None, [provenance.get("note"), *notes]))
    return {**provenance, "note": note} if note else dict(provenance)


def size_note(read: Mapping[str, int], official: Mapping[str, int]) -> str | None:
    """Return a note on the splits whose number of rows, before any are chosen, is not the official one, or None."""
    sizes = [f"{n:,} of {official[split]:,} {split} rows" for split, n in read.items() if n != official.get(split, n)]
    return f"this copy of the data holds {', '.join(sizes)}" if sizes else None


def wording_entry(wording: str | None) -> dict[str, str]:
    """Return {"wording": wording}, or nothing when the prompts are worded as in the original."""
    return {} if wording is None else {"wording": wording}


def truncation(encoded: Mapping[str, Dataset], lengths: Mapping[str, int]) -> dict[str, str]:
    """Return, under `cut`, how many rows of each split lost tokens; `lengths` holds the maximum length of each split.

    Empty if no row did. It is separate from the note because the protocol sets the lengths, as in the paper.
    """
    counts = {split: sum(rows[CUT]) for split, rows in encoded.items()}
    said: dict[int, list[str]] = {}
    for split, count in counts.items():
        if count:
            said.setdefault(lengths[split], []).append(f"{split} {count} of {len(encoded[split])}")
    cut = "; ".join(f"texts cut to {length} tokens: {', '.join(splits)}" for length, splits in said.items())
    return {"cut": cut} if cut else {}
