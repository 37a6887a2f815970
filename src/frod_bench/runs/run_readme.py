"""`README.md` of a run: the command that was typed, the score, and how to load, use and export what it trained."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frod_bench.escape import markdown, one_line
from frod_bench.record import REMARKS, RunRecord, redact
from frod_bench.record.places import COMMAND
from frod_bench.runs.complete import label


def run_readme(config: Mapping[str, Any], record: RunRecord, folder: Path) -> str:
    """Return the page of a complete run in `folder`; stored text in it is escaped."""
    place = one_line(str(folder))
    typed = one_line(redact(os.environ.get(COMMAND, "")))
    remarks = [f"- {markdown(record.data[key])}" for key in REMARKS if record.data.get(key)]
    parts = [
        f"# {markdown(label(config))}",
        score_in_words(record),
        *(["\n".join(remarks)] if remarks else []),
        *(["Made by", _code(typed)] if typed else []),
        "`config.yaml` holds every value of the configuration, `record.json` what was measured, `log.txt` what the run"
        " printed.",
        "## Use it",
        _code(
            f"frod-bench predict {shlex.quote(place)} ROWS --to predictions.csv\n"
            f"frod-bench export {shlex.quote(place)} --format merged --to DIR    # or --format peft"
        ),
        "In Python:",
        _code(
            "from frod_bench import load_run\n"
            f"run = load_run({place!r})\n"
            "run.model, run.processor    # the trained model, and its tokenizer or image transform\n"
            "run.predict(rows)           # rows: [{column: value, ...}, ...]"
        ),
    ]
    return "\n\n".join(parts) + "\n"


def score_in_words(record: RunRecord) -> str:
    """Return a sentence with the reported score, the epoch that has it, and the rows it was measured on."""
    score, name = record.reached("selected"), record.metric["name"]
    rows = f"{record.samples['eval']:,} evaluation rows" if record.samples["eval"] else "held-out training rows"
    best, last = record.reached("best"), record.reached("final")
    chosen = f"{markdown(name)} **{score['value']:.4f}** on {rows}, after epoch {score['epoch']}"
    return (
        f"{chosen} (selection={markdown(record.selection)}; best {best['value']:.4f} after epoch {best['epoch']}, last"
        f" {last['value']:.4f} after epoch {last['epoch']}); {record.samples['train']:,} training rows."
    )


def _code(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
