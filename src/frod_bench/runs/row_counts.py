"""The line that a run prints on its rows."""

from collections.abc import Mapping
from typing import Any

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


def _counted(number: int, official: int | None, what: str) -> str:
    return f"{number:,} {what}" if official in (None, number) else f"{number:,} of {official:,} {what}"
