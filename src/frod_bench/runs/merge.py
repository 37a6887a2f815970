"""Merge runs of one backbone into one, choose the scale on held-out rows, and score it on every run's task."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.files import filling, save_text
from frod_bench.merging.algorithms import HOWS
from frod_bench.merging.layers import LayerFiles, write_shards
from frod_bench.merging.task_vectors import Factors, TaskVectors
from frod_bench.methods.support.wrappers import named_modules
from frod_bench.record.merge_record import EPOCH, FILE, PREDICTIONS, MergeRecord, part_name, read_merge, share_of
from frod_bench.record.predictions import write_predictions
from frod_bench.runs.trained import TrainedRun
from frod_bench.train.trainer import HOLDOUT

_WORK = ".work"


@dataclass(frozen=True)
class MergeRequest:
    """How to merge; None takes the usual value of `HOWS`. Several `scales` are judged on held-out training rows.

    `draws` random merges are scored, from the seeds `seed`, `seed` + 1, …; the first one chooses the scale and is
    written.
    """

    how: str
    scales: Sequence[float] = ()
    density: float | None = None
    seed: int = 0
    draws: int = 1


def merge_runs(folders: Sequence[Path], request: MergeRequest, to: Path, label: str | None = None) -> MergeRecord:
    """Merge complete runs into the new or empty folder `to` and return the scores; reports call the merge `label`.

    Writes the changed weights of the backbone as shards, each run's head, the predictions for each task, and
    `merge.json`. Needs the memory of one model, and the disk of the weights of all runs while it works. Raises
    RequestError for runs that cannot be merged.
    """
    runs = [TrainedRun(folder) for folder in folders]
    _check(runs, request)
    work = to / _WORK
    try:
        vectors = TaskVectors(work)
        vectors.write_base(runs[0].body(runs[0].base()))
        heads = [_add(vectors, run) for run in runs]
        density = HOWS[request.how].density if request.density is None else request.density
        update = _update(vectors, request, density, request.seed, work)
        scales = list(request.scales) or [HOWS[request.how].scale]
        holdout = [_on_holdout(run, vectors, update, scales) if len(scales) > 1 else {} for run in runs]
        scale = max(scales, key=lambda s: fmean(h[_text(s)] for h in holdout)) if len(scales) > 1 else scales[0]
        record = MergeRecord(
            how=request.how,
            scale=scale,
            density=density,
            seed=request.seed if HOWS[request.how].draws else None,
            setting=runs[0].setting,
            label=label,
        )
        scored = [_result(run, vectors, update, scale) for run in runs]
        record.results = [result | {"holdout": judged} for (result, _), judged in zip(scored, holdout, strict=True)]
        if request.draws > 1:
            others = range(request.seed + 1, request.seed + request.draws)
            drawn = [_scores(runs, vectors, _update(vectors, request, density, s, work), scale) for s in others]
            for result, *more in zip(record.results, *drawn, strict=True):
                result["draws"] = [result["merged"], *more]
        record.results = [result | {"share": share_of(result)} for result in record.results]
        with filling(to) as made:
            parts = [part_name(place, run.record.task) for place, run in enumerate(runs)]
            predicted = [rows for _, rows in scored]
            write_predictions(made / PREDICTIONS, {EPOCH: dict(zip(parts, predicted, strict=True))})
            for part, head in zip(parts, heads, strict=True):
                if head:
                    save_file(head, made / f"head-{part}.safetensors")
            write_shards(made, _merged(vectors, update, scale))
            save_text(made / FILE, record.to_json())
        return record
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds the merged model
            to.rmdir()


def merged_before(folders: Sequence[Path], request: MergeRequest, to: Path) -> MergeRecord | None:
    """Return the record in `to` if it is that of this merge of these runs, else None. Raises RequestError."""
    if not (to / FILE).exists():
        return None
    record = read_merge(to / FILE)
    way, several = HOWS[request.how], len(request.scales) > 1
    density = way.density if request.density is None else request.density
    same = record.how == request.how and record.density == density
    same &= record.seed == (request.seed if way.draws else None)
    same &= several or record.scale == (list(request.scales) or [way.scale])[0]
    digests = [TrainedRun(folder).record.digest for folder in folders]
    judged = sorted(map(_text, request.scales)) if several else []
    for result, digest in zip(record.results, digests, strict=False):
        same &= result["digest"] == digest and sorted(result.get("holdout") or {}) == judged
        same &= len(result.get("draws") or [0]) == request.draws
    return record if same and len(record.results) == len(digests) else None


def _update(vectors: TaskVectors, request: MergeRequest, density: float | None, seed: int, work: Path) -> LayerFiles:
    """Return the merged update, in files of its own."""
    update = LayerFiles(work / f"update-{seed}")
    for name, tensor in vectors.merged(request.how, density, seed):
        update.write(name, tensor)
    return update


def _scores(runs: Sequence[TrainedRun], vectors: TaskVectors, update: LayerFiles, scale: float) -> list[float]:
    """Return the score on each task of one more draw, whose files are then deleted."""
    try:
        return [_result(run, vectors, update, scale)[0]["merged"] for run in runs]
    finally:
        shutil.rmtree(update.folder, ignore_errors=True)


def _check(runs: Sequence[TrainedRun], request: MergeRequest) -> None:
    first = runs[0].record
    for run in runs:
        if run.base_weights != runs[0].base_weights:
            raise RequestError(
                f"{run.folder} starts from other weights ({run.record.backbone}) than {runs[0].folder}"
                f" ({first.backbone}): only runs from one base can be merged."
            )
        if run.setting != runs[0].setting:
            raise RequestError(
                f"{run.folder} is of another setting ({', '.join(run.setting.values())}) than {runs[0].folder}"
                f" ({', '.join(runs[0].setting.values())}): their scores cannot be read together."
            )
        if not run.record.metric["higher_is_better"]:
            raise RequestError(f"{run.folder} is judged by {run.record.metric['name']}, of which less is better.")
        if len(request.scales) > 1 and run.record.selection != HOLDOUT:
            raise RequestError(
                f"--scales chooses on training rows that were held out, and {run.folder} held none out"
                f" (selection={run.record.selection}). Train with selection=holdout, or give one --scale."
            )


def _add(vectors: TaskVectors, run: TrainedRun) -> dict[str, Tensor]:
    """Add a run's weights and return its head."""
    adapted = run.adapted()
    factors = _factors(adapted.model)
    model = adapted.merge()
    vectors.add(run.body(model), factors)
    return {name: tensor.clone() for name, tensor in run.head_state(model).items()}


def _factors(model: nn.Module) -> Factors:
    """Return B, A and their scaling of PEFT's LoRA layers, by the name that the layer's weight has after merging."""
    found = {}
    layers: Iterable[tuple[str, Any]] = named_modules(model)  # PEFT does not type what its layers have
    for name, layer in layers:
        if hasattr(layer, "lora_A") and "default" in layer.lora_A:
            B, A = (getattr(layer, factor)["default"].weight.detach().clone() for factor in ("lora_B", "lora_A"))
            found[f"{name}.weight"] = (B, A, layer.scaling["default"])
    return found


def _merged(vectors: TaskVectors, update: LayerFiles, scale: float) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the merged weight of every changed tensor, in the dtype of the base."""
    for name in update:
        start = vectors.base.read(name)
        yield name, (start.double() + scale * update.read(name)).to(start.dtype)


def _model(run: TrainedRun, vectors: TaskVectors) -> tuple[nn.Module, Mapping[str, Tensor]]:
    """Return the model of a run with the weights of the base and the run's head, and its tensors by name."""
    model = run.adapted().merge().to(run.accelerator.device)
    state = model.state_dict()
    for name, tensor in run.body(model):
        tensor.copy_(vectors.base.read(name))
    return model, state


@torch.no_grad()
def _set_scale(state: Mapping[str, Tensor], vectors: TaskVectors, update: LayerFiles, scale: float) -> None:
    for name, tensor in _merged(vectors, update, scale):
        state[name].copy_(tensor)


def _on_holdout(run: TrainedRun, vectors: TaskVectors, update: LayerFiles, scales: Sequence[float]) -> dict[str, float]:
    """Return the score on the run's held-out rows, over that of the run itself there, by scale."""
    model, state = _model(run, vectors)
    single = run.record.objective
    found = {}
    for scale in scales:
        _set_scale(state, vectors, update, scale)
        value = run.score(model, HOLDOUT)[0][run.record.metric["name"]]
        found[_text(scale)] = value / single if single else value
    return found


def _result(
    run: TrainedRun, vectors: TaskVectors, update: LayerFiles, scale: float
) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """Return the scores of an entry of `MergeRecord.results`, and the prediction of every row with its number there."""
    model, state = _model(run, vectors)
    _set_scale(state, vectors, update, scale)
    metrics, found = run.score(model)
    record, ids = run.record, run.data.row_ids[run.data.reported]
    assert record.selected is not None
    result = {
        "task": record.task,
        "method": record.method,
        "seed": record.seed,
        "identity": record.identity,
        "digest": record.digest,
        "metric": record.metric["name"],
        "single": record.selected["value"],
        "merged": metrics[record.metric["name"]],
        "split": run.data.reported,
    }
    return result, [(ids[row[0]], *row[1:]) for row in found]


def _text(scale: float) -> str:
    return f"{scale:g}"
