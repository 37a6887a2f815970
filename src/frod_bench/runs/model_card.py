"""The model card of an export: the hub's metadata with the score, what was trained on what, and how to load it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from frod_bench.escape import markdown, one_line
from frod_bench.record import REMARKS, RunRecord
from frod_bench.record.identity import RATES
from frod_bench.runs.run_readme import score_in_words

_PIPELINES = {"text": "text-classification", "image": "image-classification", "language": "text-generation"}
_SETTINGS = ("protocol", "selection", "seed", "train.epochs", "train.batch_size", "text.format", "text.max_length")
_AUTO = {
    "text": "AutoModelForSequenceClassification",
    "image": "AutoModelForImageClassification",
    "language": "AutoModelForCausalLM",
}
_READERS = {"text": "AutoTokenizer", "image": "AutoImageProcessor", "language": "AutoTokenizer"}


@dataclass(frozen=True)
class Exported:
    """What an export holds: `form` is peft, merged, or tensors (safetensors that only frod-bench's model reads).

    `kind` is text, image or language; `base` is what `from_pretrained` loads the base model from, if anything does,
    `repository` the same on the hub, `revision` its commit there. `origin` are the base weights in words.
    """

    form: str
    kind: str
    origin: str
    base: str | None = None
    repository: str | None = None
    revision: str | None = None
    remark: str | None = None


def model_card(
    config: Mapping[str, Any],
    record: RunRecord | None,
    exported: Exported,
    classes: list[str] | None,
    interval: tuple[float, float] | None,
) -> str:
    """Return the text of README.md. `interval` is the 95 % interval of the record's score, where that is known."""
    method, task, backbone = (str(config[key]["name"]) for key in ("method", "task", "backbone"))
    source = config["data"]["source"]
    repo = config["task"].get("repo") or None
    data = ModelCardData(
        base_model=exported.repository,
        base_model_relation=None if exported.repository is None else _relation(exported.form),
        library_name={"peft": "peft", "merged": "transformers"}.get(exported.form, "frod-bench"),
        pipeline_tag=_PIPELINES[exported.kind],
        datasets=[repo] if repo and source != "generated" else None,
        tags=["frod-bench", method, task, *([] if exported.form == "peft" else ["merged"])],
        model_name=f"{method} on {task}",
        eval_results=_results(config, record, exported, interval),
    )
    parts = [
        f"# {markdown(f'{method} on {task}')}",
        f"{markdown(backbone)}, fine-tuned with {markdown(method)} by frod-bench"
        f"{', adapter only' if exported.form == 'peft' else ''}. The files hold the selected epoch. Base weights:"
        f" {markdown(exported.origin)}.",
        *([] if record is None else _scores(record, interval)),
        *([f"Classes: {', '.join(map(markdown, classes))}."] if classes else []),
        "## How to load it",
        _fence(_loading(exported, classes)),
        *([markdown(exported.remark)] if exported.remark else []),
        *([] if record is None else ["## How it was trained", _settings(record)]),
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _relation(form: str) -> str:
    return "adapter" if form == "peft" else "finetune"


def _results(
    config: Mapping[str, Any], record: RunRecord | None, exported: Exported, interval: tuple[float, float] | None
) -> list[EvalResult] | None:
    """Return the metrics of the selected epoch on the evaluation rows, None for a run that has not scored any."""
    if record is None or record.selected is None or not record.samples.get("eval"):
        return None
    task, name = config["task"], record.metric["name"]
    generated = record.data["source"] == "generated"
    found = {key: value for key, value in record.selected["metrics"].items() if not key.startswith("holdout_")}
    return [
        EvalResult(
            task_type=_PIPELINES[exported.kind],
            dataset_type="generated" if generated else task.get("repo") or record.data["source"],
            dataset_name=f"{record.task} (made-up rows)" if generated else record.task,
            dataset_config=task.get("config") or None,
            dataset_split=task.get("eval_splits", ["evaluation"])[0],
            metric_type=metric,
            metric_value=value,
            metric_name=metric if metric != name or interval is None else f"{metric} ({_interval(interval)})",
        )
        for metric, value in found.items()
    ]


def _interval(interval: tuple[float, float]) -> str:
    return f"95 % interval {interval[0]:.4f} to {interval[1]:.4f}"


def _scores(record: RunRecord, interval: tuple[float, float] | None) -> list[str]:
    if record.selected is None:
        return []
    over = "" if interval is None else f" Over samples of these rows: {_interval(interval)}; other seeds are not in it."
    unfinished = "" if record.status == "completed" else f" The run is not complete ({markdown(record.status)})."
    remarks = [f"- {markdown(record.data[key])}" for key in REMARKS if record.data.get(key)]
    return [score_in_words(record) + over + unfinished, *(["\n".join(remarks)] if remarks else [])]


def _settings(record: RunRecord) -> str:
    own = record.settings
    shown = {key: value for key, value in own.items() if key.startswith((RATES, "method."))}
    shown |= {key: own[key] for key in _SETTINGS if key in own}
    lines = [f"| {markdown(key)} | {markdown(str(value))} |" for key, value in shown.items()]
    count = f"{record.params['trainable']:,} of {record.params['total']:,} parameters were trained."
    return "\n".join([count, "", "| setting | value |", "| --- | --- |", *lines])


def _loading(exported: Exported, classes: list[str] | None) -> str:
    if exported.form == "tensors" or (exported.form == "peft" and exported.base is None):
        return _own_loading(exported)
    if exported.kind == "image" and exported.form == "merged":
        return (
            "from transformers import pipeline\n\n"
            'classify = pipeline("image-classification", model="DIR")  # DIR: this folder\n'
            'classify("photo.jpg")'
        )
    auto, reader = _AUTO[exported.kind], _READERS[exported.kind]
    if exported.form == "merged":
        return (
            f"from transformers import {auto}, {reader}\n\n"
            f'model = {auto}.from_pretrained("DIR")  # DIR: this folder\n'
            f'{_variable(reader)} = {reader}.from_pretrained("DIR")'
        )
    arguments = [repr(one_line(str(exported.base)))]
    arguments += [f"revision={exported.revision!r}"] if exported.revision else []
    arguments += ["config=config"] if classes else []
    names = ", ".join(sorted([auto, reader, *(["AutoConfig"] if classes else [])]))
    return "\n".join(
        [
            "from peft import PeftModel",
            f"from transformers import {names}",
            "",
            *(['config = AutoConfig.from_pretrained("DIR")  # DIR: this folder; names the classes'] if classes else []),
            f"base = {auto}.from_pretrained({', '.join(arguments)})",
            'model = PeftModel.from_pretrained(base, "DIR")',
            f'{_variable(reader)} = {reader}.from_pretrained("DIR")',
        ]
    )


def _variable(reader: str) -> str:
    return "tokenizer" if reader == "AutoTokenizer" else "processor"


def _own_loading(exported: Exported) -> str:
    lines = ["# The layers have the names of frod-bench's own model: RUN is the run's folder, DIR this one."]
    if exported.form == "peft":
        lines += ["from peft import PeftModel", "", "from frod_bench import load_run", ""]
        lines += ['model = PeftModel.from_pretrained(load_run("RUN").base(), "DIR")']
    else:
        lines += ["from frod_bench import load_run", "", 'model = load_run("RUN").model']
    return "\n".join(lines)


def _fence(code: str) -> str:
    return f"```python\n{code}\n```"
