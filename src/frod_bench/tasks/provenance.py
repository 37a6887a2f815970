"""What a record says of where the rows came from, beyond what their source says."""

from collections.abc import Mapping


def annotated(provenance: dict[str, str], *notes: str | None) -> dict[str, str]:
    """Return a source's provenance with the notes that are not None behind its own."""
    note = "; ".join(filter(None, [provenance.get("note"), *notes]))
    return {**provenance, "note": note} if note else provenance


def unofficial_sizes(read: Mapping[str, int], official: Mapping[str, int]) -> str | None:
    """Return a note on the splits whose number of rows is not the official one, None when there is none."""
    sizes = [f"{split} {n} of {official[split]}" for split, n in read.items() if n != official.get(split, n)]
    return f"not the official number of rows: {', '.join(sizes)}" if sizes else None
