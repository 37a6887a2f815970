"""What a record says of where the rows came from, beyond what their source says."""

from collections.abc import Mapping

from datasets import Dataset

from frod_bench.tasks.text import CUT


def with_notes(provenance: dict[str, str], *notes: str | None) -> dict[str, str]:
    """Return a source's provenance with the notes that are not None behind its own."""
    note = "; ".join(filter(None, [provenance.get("note"), *notes]))
    return {**provenance, "note": note} if note else provenance


def size_note(read: Mapping[str, int], official: Mapping[str, int]) -> str | None:
    """Return a note on the splits whose number of rows is not the official one, None when there is none."""
    sizes = [f"{split} {n} of {official[split]}" for split, n in read.items() if n != official.get(split, n)]
    return f"not the official number of rows: {', '.join(sizes)}" if sizes else None


def wording_entry(wording: str | None) -> dict[str, str]:
    """Return under `wording` in whose words the rows are asked; nothing where they are the original's."""
    return {} if wording is None else {"wording": wording}


def truncation(encoded: Mapping[str, Dataset], lengths: Mapping[str, int]) -> dict[str, str]:
    """Return under `cut` how many rows of each split lost tokens, `lengths` being the most that one keeps there.

    It is nothing when none did, and no note: the protocol sets the lengths, so the rows are still those of the paper.
    """
    counts = {split: sum(rows[CUT]) for split, rows in encoded.items()}
    said: dict[int, list[str]] = {}
    for split, count in counts.items():
        if count:
            said.setdefault(lengths[split], []).append(f"{split} {count} of {len(encoded[split])}")
    cut = "; ".join(f"texts cut to {length} tokens: {', '.join(splits)}" for length, splits in said.items())
    return {"cut": cut} if cut else {}
