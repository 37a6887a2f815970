"""Results of PEFT's own comparison of methods (github.com/huggingface/peft, method_comparison), read beside ours.

Each of their files holds one run of one seed on a model and a task of theirs; none of their numbers enters a mean or a
test of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.peft_tuners import spelled
from frod_bench.reading import parse_json, read_text
from frod_bench.record.json_types import type_problem
from frod_bench.report.summary import Summary
from frod_bench.report.table import Column, Table, percent

OURS, THEIRS = "frod-bench", "PEFT"
FULL_FINE_TUNING = "full-finetuning"  # what their viewer calls a run without a configuration of PEFT
SUCCESS = "success"
_SCORE = "test "  # before the name of a score on test rows
_MIB = 2**20
_LONGEST = 80  # characters of a name
# the least that a file of theirs holds
FORM = {
    "run_info": {
        "created_at": str,
        "total_time": float,
        "experiment_name": str,
        "train_config": {"model_id": str},
        "peft_config": dict | None,
    },
    "train_info": {
        "status": str,
        "train_time": float,
        "num_trainable_params": int,
        "accelerator_memory_max": int,
        "metrics": list,
    },
    "meta_info": {"dataset_info": dict | None, "package_info": {}},
}


@dataclass(frozen=True)
class TheirResult:
    """One run of theirs: the score a fraction, training time in seconds, the peak of accelerator memory in bytes."""

    model: str
    task: str
    method: str
    experiment: str
    metric: str
    score: float
    trainable: int
    train_s: float
    peak_bytes: int


def read_results(place: Path) -> tuple[list[TheirResult], list[str]]:
    """Return the results in a file, or in all JSON files below a folder, and why others are left out.

    A run of theirs that was cancelled or failed is left out, as their viewer does. Raises RequestError if nothing can
    be read.
    """
    files = sorted(place.rglob("*.json")) if place.is_dir() else [place]
    found, reasons = [], []
    for file in files:
        try:
            found.append(_read(file))
        except RequestError as error:
            reasons.append(str(error))
    if not found:
        reason = reasons[0] if reasons else f"{place} holds no JSON file."
        raise RequestError(f"No result of PEFT's method comparison to show. {reason}")
    return sorted(found, key=lambda each: (each.task, each.model, -each.score)), reasons


def _read(file: Path) -> TheirResult:
    """Return the result in a file. Raises RequestError for a file of another form and a run without a result."""
    try:
        content = parse_json(read_text(file, links=True))
        problem = type_problem(content, FORM, "it")
    except ValueError as error:
        problem = str(error)
    if problem:
        raise RequestError(f"{file} is no result of PEFT's method comparison: {problem:.200}.")
    run, train = content["run_info"], content["train_info"]
    if train["status"] != SUCCESS:
        raise RequestError(f"{file} has no result: its status is {train['status']:.80}.")
    last = train["metrics"][-1] if train["metrics"] else None
    scores = {name: value for name, value in last.items() if name.startswith(_SCORE)} if isinstance(last, dict) else {}
    if not scores or (problem := type_problem(scores, {str: float}, "its last line")):
        raise RequestError(f"{file} has no result: {problem or 'its last line has no score on test rows'}.")
    name, score = next(iter(scores.items()))
    config = run["peft_config"]
    return TheirResult(
        model=run["train_config"]["model_id"][:_LONGEST],
        task=_task(file, content)[:_LONGEST],
        method=spelled(str(config.get("peft_type")))[:_LONGEST] if config else FULL_FINE_TUNING,
        experiment=run["experiment_name"][:_LONGEST],
        metric=name.removeprefix(_SCORE)[:_LONGEST],
        score=float(score),
        trainable=train["num_trainable_params"],
        train_s=float(train["train_time"]),
        peak_bytes=train["accelerator_memory_max"],
    )


def _task(file: Path, content: dict[str, Any]) -> str:
    """Return the task: the folder around `results/`, as in their repository, else the names of the data sets."""
    if (folder := file.resolve().parent).name == "results":
        return folder.parent.name
    train_config, data = content["run_info"]["train_config"], content["meta_info"]["dataset_info"]
    return str(train_config.get("dataset_id") or ", ".join(map(str, data or {})) or "unknown")


def beside(summary: Summary, theirs: Iterable[TheirResult]) -> Table:
    """Return one table of our rows and their results, each marked by where it comes from."""
    columns = [Column(name, align="left") for name in ("from", "model", "task", "method", "experiment", "metric")]
    columns += [Column("score", percent, unit="%"), Column("seeds"), Column("trainable", "{:,}".format)]
    columns += [Column("training", "{:,.0f}".format, unit="s"), Column("peak memory", "{:,.0f}".format, unit="MiB")]
    rows: list[tuple] = []
    for section in summary.sections:
        for row in section.rows:
            seconds = [run.record.time["train_s"] for run in row.runs]
            peak = None if row.peak_bytes is None else row.peak_bytes / _MIB
            score = getattr(row, section.reported).mean
            settings = f"{section.setting.profile}, {section.setting.protocol}"
            place = (OURS, section.setting.backbone, row.task, row.method, settings, row.metric)
            rows.append((*place, score, row.seeds, row.trainable, sum(seconds) / len(seconds), peak))
    for each in theirs:
        place = (THEIRS, each.model, each.task, each.method, each.experiment, each.metric)
        rows.append((*place, each.score, 1, each.trainable, each.train_s, each.peak_bytes / _MIB))
    note = (
        f"from {THEIRS}: results of github.com/huggingface/peft, method_comparison, as their files state them, one seed"
        " each: the score of the end of training on test rows, the time of training without evaluations, the peak of"
        " the accelerator's memory. They belong to other models, rows and machines than ours, so only rows of one model"
        " and task say something about methods, and no mean, rank or test of this report contains them."
    )
    return Table(columns, rows, "Beside PEFT's comparison of methods", (note,), "beside")
