"""What a run prints on its rows: their numbers, and the classes that it found in those of the user's own."""

from collections.abc import Mapping
from typing import Any

from frod_bench.errors import listed

_OTHERS = ("train", "eval", "holdout")


def row_counts(samples: Mapping[str, int], config: Mapping[str, Any]) -> str:
    """Return the rows that a run uses in words; `samples` are those of its record.

    Also gives the size of the official split where it differs; generated rows have none.
    """
    task = config["task"]
    official = {} if config["data"]["source"] == "generated" else task.get("rows") or {}
    reported = (task.get("eval_splits") or [""])[0]
    parts = [_counted(samples["train"], official.get(task.get("train_split")), "training rows")]
    if "holdout" in samples:
        parts.append(f"{samples['holdout']:,} held out of training")
    if samples["eval"]:
        parts.append(_counted(samples["eval"], official.get(reported), "evaluation rows"))
    further = [(split, number) for split, number in samples.items() if split not in _OTHERS]
    parts += [_counted(number, official.get(split), split) for split, number in further]
    return ", ".join(parts)


def found_in_rows(data: Mapping[str, Any]) -> list[str]:
    """Return lines on the classes in rows of the user's own and on what is to be known of these; else none.

    `data` is that of a record.
    """
    if (classes := data.get("classes")) is None:
        return []
    notes = filter(None, data.get("note", "").split("; "))
    return [f"{len(classes):,} classes: {listed(classes)}", *(f"note: {note}" for note in notes)]


def _counted(number: int, official: int | None, what: str) -> str:
    return f"{number:,} {what}" if official in (None, number) else f"{number:,} of {official:,} {what}"
