"""The loss surface of a stored run, computed from its configuration and its adapter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import send_to_device
from tqdm import tqdm

from frod_bench.errors import RequestError
from frod_bench.landscape import cache
from frod_bench.landscape.surface import Point, Weights, grid, losses
from frod_bench.methods import load_adapter
from frod_bench.methods.support.injection import find_head, find_targets
from frod_bench.record import RunDirectory, StoredRun
from frod_bench.runs.base_model import base_model
from frod_bench.runs.components import load_data, make_components
from frod_bench.runs.progress_bars import hide_progress_bars_in_logs
from frod_bench.runs.run_files import adapter_folder, read_run_config
from frod_bench.tasks.base import TaskData
from frod_bench.train.batches import chunks

BEFORE, AFTER = "before", "after"


class Plane(NamedTuple):
    """Which points of which plane: a grid of `points` x `points` in [-span, span], over `rows` training rows."""

    points: int
    span: float
    rows: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.points}x{self.points}_span{self.span:g}_rows{self.rows}_seed{self.seed}"


def surface(run: StoredRun, state: str, plane: Plane, together: int | None) -> cache.Surface:
    """Return the loss surface of a run before or after training; points missing in its folder are computed.

    `together` points share a forward pass, by default 16 on a GPU and 1 on a CPU. Raises RequestError when the adapter
    or the data is gone, the method has no loss surface, or the folder cannot be written.
    """
    file = RunDirectory(run.path).landscapes / f"{state}_{plane.name}.csv"
    points = grid(plane.points, plane.span)

    def compute(missing: list[Point]) -> Iterator[tuple[Point, float]]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model, weights, data = _rebuild(run.path, state, device)
        batches = _batches(data, plane, device)
        size = together or (16 if device.type == "cuda" else 1)
        label = f"{run.record.method} {state}"
        done = len(points) - len(missing)
        with tqdm(total=len(points), initial=done, desc=label, unit="point", disable=None) as bar:
            yield from losses(model, weights, batches, missing, plane.seed, size, bar.update)

    try:
        return cache.complete(file, points, compute)
    except OSError as error:
        raise RequestError(
            f"{file}, where a loss surface is kept, cannot be written ({error.strerror}). Make room, or copy the run to"
            " a folder that you can write."
        ) from error


def _rebuild(path: Path, state: str, device: torch.device) -> tuple[torch.nn.Module, Weights, TaskData]:
    """Return the model as plain layers, the weights that its method adapts with the head's, and its rows."""
    hide_progress_bars_in_logs()
    config = read_run_config(path)
    components = make_components(config)
    data = load_data(config, components)
    text = config["text"]["format"]
    model = base_model(components.backbone, components.task, data.num_labels, text, config["seed"])
    if state == AFTER:
        adapted = load_adapter(model, adapter_folder(path))
        if not adapted.method.merges:
            raise RequestError(
                f"{adapted.method.name} has no loss surface here: the weights of its layers depend on the input."
            )
        model = adapted.merge()
    model.to(device).requires_grad_(False)
    head = [] if data.num_labels is None else components.backbone.head
    modules = [*find_targets(model, components.backbone.targets, head), *(find_head(model, head) if head else [])]
    chosen = {id(p) for _, module in modules for p in module.parameters() if p.ndim > 1}
    return model, {name: p for name, p in model.named_parameters() if id(p) in chosen}, data


def _batches(data: TaskData, plane: Plane, device: torch.device) -> list[tuple[dict[str, Any], int]]:
    """Return the first rows of a shuffle that is the same for every run, sorted by length, as batches on the device."""
    generator = torch.Generator().manual_seed(plane.seed)
    rows = torch.randperm(len(data.train), generator=generator)[: plane.rows].tolist()
    if "length" in data.train.column_names:
        lengths = data.train["length"]
        rows.sort(key=lambda row: lengths[row])
    parts = list(chunks(rows, 64))
    encoded = [data.collate([data.train[row] for row in part]) for part in parts]
    return [(send_to_device(batch, device), len(part)) for batch, part in zip(encoded, parts, strict=True)]
