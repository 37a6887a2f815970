"""`bench init`: the time to attach FRoD to a whole backbone, against PEFT's, and again from the cache."""

import os
import statistics
import tempfile
from typing import Any

from frod_bench.bench.check import check_against_peft
from frod_bench.bench.contenders import CONTENDERS, Setting
from frod_bench.bench.timing import Progress, now


def bench_init(setting: Setting, names: list[str], rounds: int, progress: Progress) -> dict[str, Any]:
    """Return the seconds of every contender, timed in turns; ours also from the cache. Building the model is not timed.

    Raises RunFailure when the check against PEFT fails.
    """
    progress.say("checking against PEFT's FRoD")
    errors = check_against_peft(setting)
    rows: dict[str, dict[str, Any]] = {}
    cache = os.environ.get("FROD_BENCH_CACHE")
    try:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["FROD_BENCH_CACHE"] = folder
                for name in names:
                    for label in (name, f"{name}, cached") if name.startswith("frod") else (name,):
                        progress.say(f"building {label}")
                        row = rows.setdefault(label, {"contender": label, "seconds": []})
                        _attach(name, setting, row)
    finally:
        os.environ.pop("FROD_BENCH_CACHE", None)
        if cache is not None:
            os.environ["FROD_BENCH_CACHE"] = cache
    for row in rows.values():
        row["seconds"] = statistics.median(row["seconds"])
    for row in rows.values():
        if "peft_frod" in rows:
            row["times_faster_than_peft_frod"] = rows["peft_frod"]["seconds"] / row["seconds"]
    return {"rows": list(rows.values()), "check": {"errors": errors}}


def _attach(name: str, setting: Setting, row: dict[str, Any]) -> None:
    model, inputs = setting.model(), setting.inputs()
    start = now(inputs)
    adapted = CONTENDERS[name](model, setting)
    row["seconds"].append(now(inputs) - start)
    if adapted is not None and "max_reconstruction_error" in adapted.facts:
        row["max_reconstruction_error"] = adapted.facts["max_reconstruction_error"]
