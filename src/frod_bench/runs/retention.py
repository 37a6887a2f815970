"""What runs have kept of a task that they were not tuned on: its score with a head that was fitted on the base."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from frod_bench.backbones.base import Backbone
from frod_bench.errors import RequestError
from frod_bench.module_names import in_matching_module
from frod_bench.record import weights_of
from frod_bench.record.predictions import write_predictions
from frod_bench.record.retention_record import EPOCH, RetentionRecord, predictions_file
from frod_bench.runs.complete import method_label
from frod_bench.runs.components import load_data, make_components
from frod_bench.runs.trained import TrainedRun, score_rows
from frod_bench.tasks.base import TaskData
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.head_fit import fit_head
from frod_bench.train.loading import Loader
from frod_bench.train.prediction import Predictions

BASE = "base"


def measure_retention(
    runs: Sequence[TrainedRun], other: dict[str, Any], folder: Path, before: RetentionRecord | None = None
) -> Iterator[RetentionRecord]:
    """Yield the record after the base, and after every new run.

    `other` is the resolved configuration of the task to score, on the runs' backbone. Predictions go to files in
    `folder`, one per run. Results of `before` are kept if they are of the same weights, rows and head. Raises
    RequestError for runs of different backbones, of the task itself, or with a language-model head.
    """
    components = make_components(other)
    _check(runs, other["task"]["name"], components.backbone)
    data, accelerator = load_data(other, components), make_accelerator(components.settings)
    if data.num_labels is None:
        raise RequestError(f"{other['task']['name']} has no classes here: a head can be fitted for a classifier only.")
    backbone, batch = components.backbone, components.settings.eval_batch_size
    model = backbone.build(data.num_labels, other["seed"]).to(accelerator.device)
    fit_head(model, backbone.head, data.train, Loader(accelerator, data.collate), batch)
    body = _body(model, backbone)

    def scored(digest: str) -> tuple[float, Predictions]:
        metrics, found = score_rows(model, data, data.reported, accelerator, batch)
        _write(predictions_file(folder, digest), data, found)
        return metrics[data.metric.name], found

    folder.mkdir(parents=True, exist_ok=True)
    base, found = scored(BASE)
    record = RetentionRecord(
        task=other["task"]["name"],
        metric=data.metric.name,
        split=data.reported,
        rows=data.samples["eval"],
        head_rows=data.samples["train"],
        base=base,
        largest_class=max(Counter(row[1] for row in found).values()) / len(found),
        backbone=backbone.provenance(),
        data=data.provenance,
        setting={"profile": other["profile"]["name"], "backbone": other["backbone"]["name"]},
    )
    known = {r["digest"]: r for r in before.results} if before is not None and _same(before, record) else {}
    yield record
    for run in runs:
        digest = run.record.digest
        if digest in known and predictions_file(folder, digest).exists():
            record.results.append(known[digest])
            continue
        _load(body, run)
        record.results.append(_result(run, scored(digest)[0]))
        yield record


def _result(run: TrainedRun, retained: float) -> dict[str, Any]:
    record = run.record
    return {
        "trained_on": record.task,
        "method": method_label(record.method, record.settings),
        "seed": record.seed,
        "identity": record.identity,
        "digest": record.digest,
        "own": (record.selected or {})["value"],
        "retained": retained,
    }


def _body(model: nn.Module, backbone: Backbone) -> dict[str, Tensor]:
    """Return the tensors of the model outside its head, by name."""
    state = model.state_dict().items()
    return {n: t for n, t in state if t.is_floating_point() and not in_matching_module(n, backbone.head)}


@torch.no_grad()
def _load(body: dict[str, Tensor], run: TrainedRun) -> None:
    """Give the body the weights of a run."""
    found = dict(run.body(run.adapted().merge()))
    if found.keys() != body.keys():
        raise RequestError(f"{run.folder} has other weights than the base: it cannot be scored with the base's head.")
    for name, tensor in body.items():
        tensor.copy_(found[name])


def _check(runs: Sequence[TrainedRun], task: str, backbone: Backbone) -> None:
    for run in runs:
        if run.base_weights != weights_of(backbone.provenance()):
            raise RequestError(
                f"{run.folder} starts from other weights than the first run: give runs of one backbone only."
            )
        if run.record.task == task:
            raise RequestError(f"{run.folder} was tuned on {task} itself: retention is measured on another task.")


def _write(file: Path, data: TaskData, found: Predictions) -> None:
    ids = data.row_ids[data.reported]
    write_predictions(file, {EPOCH: {data.reported: [(ids[row], *rest) for row, *rest in found]}})


def _same(a: RetentionRecord, b: RetentionRecord) -> bool:
    # the score of the base too: on another machine or with other threads the fitted head may be another one
    keys = ("task", "metric", "split", "rows", "head_rows", "base", "backbone", "data", "setting")
    return all(getattr(a, key) == getattr(b, key) for key in keys)
