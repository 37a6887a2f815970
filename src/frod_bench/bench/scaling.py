"""`bench scaling`: initialisation time, memory and step time from 125 million to 70 billion parameters.

No model of that size is built. Models of at most `measured_to` inputs are timed with random weights: the decomposition
of one whole group of layers of each shape, and a step of one and of two blocks. Larger ones are extrapolated: the
decomposition of layers [m_i, n] takes a n^3 + b n^2 sum(m_i) seconds, with a and b fitted to all timed decompositions
by least relative error, and a block takes time in proportion to its weights. Memory comes from `train.memory_model` at
two depths, between which it is linear. Every time in the result says how it was obtained.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frod_bench.adapters import base_weight
from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.backbones.directory import DTYPES, checkpoint_activations
from frod_bench.backbones.skeleton import make_skeleton
from frod_bench.bench.timing import Progress, Stepper
from frod_bench.config.backbones import RegisteredBackbone, registered_backbone
from frod_bench.linalg.joint import joint_decomposition
from frod_bench.methods import make_method
from frod_bench.methods.support.injection import find_targets, replace_module, train_only_head
from frod_bench.module_names import category
from frod_bench.ops.diag_sparse import random_pattern
from frod_bench.train.memory_model import MemoryUse, at_depth, predict_memory

METHODS = ("frod", "lora", "full_ft")
FIT = tuple((n, layers) for n in (512, 768, 1024, 1536) for layers in (2, 4))  # of n x n
_GIB = 2**30
_SPARSITY = 0.02


@dataclass(frozen=True)
class Size:
    """A registered backbone at full size."""

    backbone: RegisteredBackbone

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def hidden(self) -> int:
        return self.backbone.architecture.hidden

    @property
    def blocks(self) -> int:
        return self.backbone.architecture.layers

    @property
    def targets(self) -> list[str]:
        """The modules that the paper adapts."""
        return self.backbone.targets

    @property
    def head(self) -> list[str]:
        return self.backbone.head

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen weights in the memory column."""
        return DTYPES[self.backbone.config.get("dtype", "float32")]

    def build(self, blocks: int, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Return a classifier of `blocks` blocks with random weights and without dropout."""
        values = dict(self.backbone.architecture.values)
        if "bert" in values["model_type"]:
            values |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        skeleton = make_skeleton(values, 2, blocks)
        if self.backbone.config.get("gradient_checkpointing"):
            checkpoint_activations(skeleton)
        model: nn.Module = skeleton
        return model.to(dtype)

    def inputs(self, tokens: int) -> dict[str, Tensor]:
        """Return one image with its label, or one text of so many tokens."""
        labels = torch.zeros(1, dtype=torch.long)
        if self.backbone.architecture.reads_images:
            side = self.backbone.architecture.values["image_size"]
            return {"pixel_values": torch.zeros(1, 3, side, side), "labels": labels}
        return {"input_ids": torch.full((1, tokens), 5), "labels": labels}

    def on_meta(self, blocks: int) -> nn.Module:
        """Return the model on the meta device."""
        with torch.device("meta"):
            return self.build(blocks)

    def groups(self) -> Counter[tuple[int, tuple[int, ...]]]:
        """Return how many groups of layers with a common basis have n inputs and rows (m_1, ..., m_L)."""
        rows: dict[tuple[str, int], list[int]] = {}
        for name, layer in find_targets(self.on_meta(self.blocks), self.targets, self.head):
            m, n = base_weight(layer).shape
            rows.setdefault((category(name), n), []).append(m)
        return Counter((n, tuple(own)) for (_, n), own in rows.items())


NAMES = ("roberta_base", "vit_l16", "roberta_large", "tinyllama_1b", "llama2_7b", "llama2_13b", "llama2_70b")


def bench_scaling(
    tokens: int, measured_to: int, progress: Progress, backbones: Iterable[RegisteredBackbone] | None = None
) -> dict[str, Any]:
    """Return a row for each size and method, and the timed decompositions; a step has one row."""
    sizes = list(map(Size, backbones or map(registered_backbone, NAMES)))
    points = [_time_decomposition(n, (n,) * layers, progress) for n, layers in FIT if n <= measured_to]
    groups_of = {size.name: size.groups() for size in sizes}
    small = [size.name for size in sizes if size.hidden <= measured_to]
    measured_groups = dict.fromkeys(group for name in small for group in groups_of[name])
    timed = {group: _time_decomposition(*group, progress) for group in measured_groups}
    points += timed.values()
    fit = _fit(points)
    for point in points:
        point["fitted_s"] = _predicted(fit, point["n"], point["rows"])
    rows: list[dict[str, Any]] = []
    rate: dict[str, tuple[float, int]] = {}  # of the largest measured size: seconds of a block, its weights
    for size in sizes:
        parameters = sum(p.numel() for p in size.on_meta(size.blocks).parameters())
        groups, measured = groups_of[size.name], size.hidden <= measured_to
        weights = sum(n * sum(own) * count for (n, own), count in groups.items()) // size.blocks
        if measured:
            init_s, init_how = sum(timed[group]["seconds"] * groups[group] for group in groups), "a group of each shape"
        else:
            init_s = sum(_predicted(fit, n, sum(own)) * count for (n, own), count in groups.items())
            init_how = "from the fit"
        for method in METHODS:
            progress.say(f"{size.name}: {method}")
            if measured:
                first, block = _time_blocks(size, method, tokens)
                rate[method] = (block, weights)
            else:
                known, of = rate[method]
                first, block = known * weights / of, known * weights / of
            memory = _memory(size, method, tokens)
            rows.append(
                {
                    "model": size.name,
                    "parameters": parameters,
                    "tokens": size.backbone.architecture.tokens or tokens,
                    "method": method,
                    "init_s": init_s if method == "frod" else None,
                    "init_how": init_how if method == "frod" else None,
                    "step_s": first + (size.blocks - 1) * block,
                    "step_how": "one and two blocks" if measured else "extrapolated",
                    **memory,
                }
            )
    return {"rows": rows, "decompositions": points, "fit": dict(zip(("n3", "n2m"), fit, strict=True))}


def _time_decomposition(n: int, rows: tuple[int, ...], progress: Progress) -> dict[str, Any]:
    """Return the seconds of a group of layers [m_i, n] in float32."""
    progress.say(f"decomposition: {len(rows)} layers, {sum(rows):,} rows of {n:,}")
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(m, n, generator=generator) for m in rows]
    start = time.perf_counter()
    joint_decomposition(weights, dtype=torch.float32)
    return {"n": n, "rows": sum(rows), "layers": len(rows), "seconds": time.perf_counter() - start}


def _fit(points: list[dict[str, Any]]) -> tuple[float, float]:
    """Return a and b of a n^3 + b n^2 rows with the least relative error."""
    A = np.array([[p["n"] ** 3, p["n"] ** 2 * p["rows"]] for p in points]) / np.array([[p["seconds"]] for p in points])
    a, b = np.linalg.lstsq(A, np.ones(len(points)), rcond=None)[0]
    return float(a), float(b)


def _predicted(fit: tuple[float, float], n: int, rows: int) -> float:
    return fit[0] * n**3 + fit[1] * n**2 * rows


def _time_blocks(size: Size, method: str, tokens: int) -> tuple[float, float]:
    """Return the seconds of a step of one block, and what a second block adds; each is the better of two steps."""
    inputs = size.inputs(tokens)
    seconds = []
    for blocks in (1, 2):
        model = size.build(blocks).train()
        if method == "frod":
            _random_frod(model, size)
        else:
            make_method(method).attach(model, size.targets, size.head)
        stepper = Stepper(model, inputs)
        stepper.step()
        for _ in range(2):
            stepper.timed_step()
        seconds.append(min(stepper.seconds))
        del model, stepper
    added = seconds[1] - seconds[0]
    return seconds[0], added if added > 0 else seconds[1] / 2  # an upper bound where noise hides it


def _random_frod(model: nn.Module, size: Size) -> None:
    """Adapt a model with FRoD layers over random bases; the cost of a step does not depend on their values."""
    bases: dict[str, FrodBasis] = {}
    for name, layer in find_targets(model, size.targets, size.head):
        m, n = base_weight(layer).shape
        kind = category(name)
        if kind not in bases:
            bases[kind] = FrodBasis(RightBasis(torch.randn(n, n) / n**0.5), random_pattern(n, _SPARSITY, 0, kind))
        replace_module(model, name, FrodLinear(layer, torch.randn(m, n) / m**0.5, torch.ones(n), bases[kind]).train())
    adapters = [module for module in model.modules() if isinstance(module, FrodLinear)]
    train_only_head(model, size.head)
    for adapter in adapters:
        adapter.sigma.requires_grad_(True)
        adapter.values.requires_grad_(True)


def _memory(size: Size, method: str, tokens: int) -> dict[str, Any]:
    """Return the predicted GiB of the initialisation and of a step, extrapolated linearly from two depths."""

    def predict(blocks: int) -> MemoryUse:
        precision = "no" if size.dtype == torch.float32 else "bf16"
        build = partial(size.build, blocks, size.dtype)
        return predict_memory(
            build, partial(size.inputs, tokens), make_method(method), size.targets, size.head, precision
        )

    use = at_depth(predict, size.blocks)
    parts = ("weights", "adapter", "initialisation", "step")
    return {f"predicted_{part}_gib": getattr(use, part) / _GIB for part in parts}
