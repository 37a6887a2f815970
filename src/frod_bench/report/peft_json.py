"""Our runs in the form of PEFT's comparison of methods, one JSON file per run, for its viewer and its tools.

The layout is theirs, `<task>/results/<experiment>.json`. Where we measure something else than they do, the key
`frod_bench` of the file says so; their programs ignore it.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frod_bench.record import StoredRun
from frod_bench.record.schema import RunRecord
from frod_bench.report.peft_results import SUCCESS
from frod_bench.report.variants import method_of

_NOT_IN_A_NAME = re.compile(r"[^\w.=-]+")
_PACKAGES = ("transformers", "peft", "datasets", "bitsandbytes", "torch")
# the type in PEFT of a method of ours that has another name there, and what else it says there
_IN_PEFT: dict[str, dict[str, Any]] = {
    "dora": {"peft_type": "LORA", "use_dora": True},
    "pissa": {"peft_type": "LORA", "init_lora_weights": "pissa"},
}
_WITHOUT_CONFIG = ("full_ft",)
_NOTES = (
    "written by frod-bench, not by PEFT's scripts",
    "all three numbers of memory are the peak, of the kind that `memory_kind` names",
    "tokens are not counted: train total tokens is 0",
    "created_at is the time of the record's file",
)


def file_name(run: StoredRun) -> str:
    """Return the place of a run's file below the folder that is written: one folder per task."""
    task, experiment = run.record.task.replace("/", "-"), _experiment(run).replace("/", "--")
    return f"{_as_name(task)}/results/{_as_name(experiment)}.json"


def _as_name(text: str) -> str:
    """Return stored text as the name of a file or a folder, which reaches no other folder."""
    return _NOT_IN_A_NAME.sub("-", text).lstrip(".") or "unnamed"


def to_json(run: StoredRun) -> str:
    """Return a completed run in their form. Raises ValueError for a run without a score."""
    return json.dumps(_content(run), indent=2, allow_nan=False) + "\n"


def _content(run: StoredRun) -> dict[str, Any]:
    record, memory = run.record, run.record.memory.get("peak_bytes") or 0
    packages, backbone = record.environment["packages"], record.initialisation.get("backbone")
    own = backbone if isinstance(backbone, dict) else {}
    versions = {f"{name}-version": packages.get(name) for name in _PACKAGES}
    return {
        "run_info": {
            "created_at": _created_at(run.path),
            "total_time": sum(record.time[part] for part in ("init_s", "train_s", "eval_s")),
            "experiment_name": _experiment(run),
            "peft_branch": f"frod-bench {packages.get('frod-bench')}",
            "train_config": record.settings | {"model_id": str(own.get("id") or record.backbone), "seed": record.seed},
            "peft_config": _peft_config(record),
            "error_msg": "",
        },
        "train_info": {
            "accelerator_memory_reserved_avg": memory,
            "accelerator_memory_max": memory,
            "accelerator_memory_reserved_99th": memory,
            "train_time": record.time["train_s"],
            "file_size": _adapter_bytes(run),
            "num_trainable_params": record.params["trainable"],
            "num_total_params": record.params["total"],
            "status": SUCCESS,
            "metrics": _metrics(run),
        },
        "meta_info": {
            "model_info": {"sha": own.get("revision"), "created_at": None},
            "dataset_info": {record.task: {"sha": record.data.get("revision"), "created_at": None}},
            "package_info": versions | {f"{name}-commit-hash": None for name in _PACKAGES},
            "system_info": {"accelerator": record.environment["device"], "processor": record.environment.get("cpu")},
            "pytorch_info": "",
        },
        "frod_bench": {
            "method": method_of(run),
            "identity": record.identity,
            "metric": record.metric["name"],
            "memory_kind": record.memory.get("kind"),
            "notes": [*_NOTES, *filter(None, [record.data.get("note")])],
        },
    }


def _metrics(run: StoredRun) -> list[dict[str, Any]]:
    """Return a line per epoch, and as the last one the reported scores, on test rows in their words."""
    record, rows = run.record, run.record.samples["train"]
    lines = [
        {
            "step": line.get("step"),
            **{f"valid {name.replace('_', ' ')}": value for name, value in (line.get("eval") or {}).items()},
            "train loss": line.get("train_loss"),
            "train samples": line["epoch"] * rows,
            "train time": line.get("seconds"),
        }
        for line in run.metrics
    ]
    scores = record.reached("selected")
    last = lines[-1] if lines else {"step": None, "train loss": None, "train samples": 0}
    primary = record.metric["name"]
    named = {primary: scores["value"]} | {name: value for name, value in scores["metrics"].items() if name != primary}
    kept = {key: last[key] for key in ("step", "train loss", "train samples")} | {"train total tokens": 0}
    return [*lines, {f"test {name.replace('_', ' ')}": value for name, value in named.items()} | kept]


def _peft_config(record: RunRecord) -> dict[str, Any] | None:
    """Return the method as a configuration of PEFT: its type and the settings that the run gave; None without one."""
    if record.method in _WITHOUT_CONFIG:
        return None
    own = {k.removeprefix("method."): v for k, v in record.settings.items() if k.startswith("method.")}
    named = _IN_PEFT.get(record.method) or {"peft_type": str(own.pop("type", record.method)).upper()}
    given = {key.removeprefix("config."): value for key, value in own.items() if key not in ("name", "version")}
    return named | given


def _experiment(run: StoredRun) -> str:
    record = run.record
    method = method_of(run).replace(" ", "-")
    return f"{method}/{record.backbone}-{record.protocol}-seed{record.seed}-{record.identity[:8]}"


def _created_at(path: Path) -> str:
    file = next(place for place in (path / "record.json", path, *path.parents) if place.exists())
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _adapter_bytes(run: StoredRun) -> int:
    """Return the size of the saved adapter, or of its numbers where the file was deleted."""
    file = run.path / "adapter/adapter_model.safetensors"
    return file.stat().st_size if file.is_file() else 4 * int(run.record.params["trainable"])
