"""One epoch of training and one evaluation, on accelerate."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, gather_object
from torch.utils.data import DataLoader

from frod_bench.errors import RequestError, RunFailure
from frod_bench.methods.base import Adapted
from frod_bench.tasks.base import TaskData
from frod_bench.train.batches import chunks, plan_epoch
from frod_bench.train.flops import FlopCount, typical_step
from frod_bench.train.optim import learning_rates, make_optimizer, make_schedule
from frod_bench.train.processes import share
from frod_bench.train.progress import Progress
from frod_bench.train.settings import TrainSettings

_ADVICE = "Lower the learning rates (train.lr) or clip the gradient (train.clip_norm=1)."
_WORKERS = 2  # processes that make batches while an accelerator computes
_CHECK_EVERY = 25  # steps between two looks at the loss on an accelerator, where each look waits for it
_SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
_IGNORED = -100  # the label of a token that is not predicted

Part = tuple[dict[str, Any], int, int]  # a batch, its rows and its targets that count


@dataclass
class TrainedEpoch:
    """What one epoch of training came to; `lr` is the rate of the last step taken.

    `losses` are those of the steps, `flops` a typical step's count times their number, over all processes.
    `waited_s` of the `seconds` went by waiting for the next batch.
    """

    loss: float
    seconds: float
    waited_s: float
    samples: int
    lr: dict[str, float]
    losses: list[float]
    flops: int


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """Return the accelerator. Raises RequestError when the device or the precision is not to be had."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("train.device=cuda is not to be had: torch sees no CUDA device. Use train.device=cpu.")
    cpu = settings.device == "cpu" or not torch.cuda.is_available()
    if cpu and settings.precision == "fp16":
        raise RequestError("train.precision=fp16 needs a CUDA device. Use train.precision=bf16 or no.")
    # accelerate keeps one state a process, and a sweep may change device and precision from run to run
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision=settings.precision, cpu=cpu)
    if accelerator.distributed_type in _SHARDED:
        raise RequestError(
            f"{accelerator.distributed_type.value} splits the trained values over processes, which no checkpoint here"
            " can hold. Launch without it, for plain data parallelism: torchrun --nproc-per-node=N -m frod_bench …"
        )
    return accelerator


def _train_in_float32(adapted: Adapted, precision: str) -> None:
    """Keep what trains in float32: in half precision a small step rounds to nothing.

    Raises RequestError when frozen weights in half precision would then meet it without autocast.
    """
    for parameters in adapted.roles.values():
        for parameter in parameters:
            parameter.data = parameter.data.float()
    half = [p.dtype for p in adapted.model.parameters() if p.dtype in (torch.bfloat16, torch.float16)]
    if half and precision == "no":
        raise RequestError(
            f"The backbone's weights are {half[0]} and train.precision=no. Use train.precision=bf16,"
            " or backbone.dtype=float32."
        )


class Trainer:
    """Trains an adapted model on a task's rows. Its state is in the model, the optimizer and the schedule."""

    def __init__(self, adapted: Adapted, data: TaskData, settings: TrainSettings, seed: int, accelerator: Accelerator):
        self.adapted, self.data, self.settings, self.seed = adapted, data, settings, seed
        self.accelerator = accelerator
        self.lengths = _lengths(data.train)
        adapted.model.to(accelerator.device)
        _train_in_float32(adapted, settings.precision)
        share(adapted, accelerator)
        optimizer = make_optimizer(adapted, settings)
        self.model, self.optimizer = accelerator.prepare(adapted.model, optimizer)
        self.steps_per_epoch = len(self._plan(0))
        self.total_steps = self.steps_per_epoch * settings.epochs
        self.schedule = make_schedule(optimizer, settings, self.total_steps)

    def _plan(self, epoch: int) -> list[list[list[int]]]:
        s = self.settings
        return plan_epoch(self.lengths, s.batch_size, s.accumulate, self.seed, epoch, s.group_by_length)

    def train_epoch(self, epoch: int, progress: Progress) -> TrainedEpoch:
        """Train over every row once. Raises RunFailure when the loss is not finite, naming the step."""
        self.model.train()
        start = time.perf_counter()
        plan = self._plan(epoch)
        batches = _Timed(self._load(self.data.train, self.lengths, [micro for step in plan for micro in step]))
        total = torch.zeros((), device=self.accelerator.device, dtype=torch.float64)
        losses, flops, typical = [], FlopCount(), typical_step(plan, self.lengths)
        on_cpu = self.accelerator.device.type == "cpu"
        lr = learning_rates(self.optimizer)
        for number, step in enumerate(plan):
            lr = learning_rates(self.optimizer)
            with flops if number == typical else contextlib.nullcontext():
                loss = self._step(step, batches)
            losses.append(loss)
            total += loss * sum(map(len, step))
            progress.step(loss.item() if on_cpu else None)
            if (on_cpu or number % _CHECK_EVERY == 0 or number + 1 == len(plan)) and not math.isfinite(total.item()):
                raise RunFailure(
                    f"The loss became {loss.item()} at step {epoch * self.steps_per_epoch + number + 1} (epoch"
                    f" {epoch + 1}). {_ADVICE}"
                )
        samples = len(self.lengths)
        return TrainedEpoch(
            loss=total.item() / samples,
            seconds=time.perf_counter() - start,
            waited_s=batches.waited_s,
            samples=samples,
            lr=lr,
            losses=torch.stack(losses).tolist(),
            flops=flops.total * len(plan) * self.accelerator.num_processes,
        )

    def _step(self, step: list[list[int]], batches: Iterator[Part]) -> torch.Tensor:
        """Take one optimizer step over the micro-batches of `step`; return the mean loss of what they predict."""
        rows, world = sum(map(len, step)), self.accelerator.num_processes
        parts = [next(batches) for _ in step]
        counted = sum(targets for _, _, targets in parts)
        if world > 1:
            counted = self._over_processes(torch.tensor(counted, device=self.accelerator.device)).item()
        mean = torch.zeros((), device=self.accelerator.device, dtype=torch.float64)
        with self.adapted.fixed_weights() if len(step) > 1 else contextlib.nullcontext():
            for number, (batch, own, targets) in enumerate(parts, start=1):
                share = targets / counted
                with contextlib.nullcontext() if number == len(parts) else self.accelerator.no_sync(self.model):
                    with self.accelerator.autocast():
                        loss = self.model(**batch).loss
                        total = loss * share + self.adapted.auxiliary_loss() * (own / rows)
                    # gradients are averaged over processes, so each counts its own part `world` times
                    self.accelerator.backward(total * world)
                mean += loss.detach() * share
        if self.settings.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        self.optimizer.zero_grad()
        return self._over_processes(mean) if world > 1 else mean

    def _over_processes(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes."""
        return self.accelerator.reduce(value, "sum")

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return all metrics of every evaluation split, those of the hold-out under `holdout_`.

        Raises RunFailure when the model's outputs are not finite.
        """
        self.model.eval()
        metrics: dict[str, float] = {}
        for split, rows in self.data.evaluation.items():
            metrics |= self.data.measure(split, *self._predict(rows))
        if self.data.holdout is not None:
            first = next(iter(self.data.evaluation))
            scores = self.data.measure(first, *self._predict(self.data.holdout))
            metrics |= {f"holdout_{name}": value for name, value in scores.items()}
        return metrics

    def _predict(self, rows: Any) -> tuple[list[int], list[int]]:
        """Return the predicted and the true labels of all rows; rows of about one length go together."""
        lengths = _lengths(rows)
        order = sorted(range(len(rows)), key=lambda r: lengths[r])
        found: list[tuple[int, int, int]] = []
        batches = list(chunks(order, self.settings.eval_batch_size))
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        model = self.accelerator.unwrap_model(self.model)  # what predicts may call more of it than forward
        for chunk, (batch, own, _) in zip(batches, self._load(rows, lengths, batches), strict=True):
            with self.accelerator.autocast():
                predicted = self.data.predict(model, batch)
            found += zip(chunk[rank::world], predicted[:own], batch["labels"][:own].tolist(), strict=True)
        found = sorted(gather_object(found)) if world > 1 else sorted(found)
        return [p for _, p, _ in found], [label for _, _, label in found]

    def _load(self, rows: Any, lengths: list[int], batches: list[list[int]]) -> Iterator[Part]:
        """Yield this process's part of every batch on the device, and how many of its rows and of their targets count.

        It is padded to the longest row of the whole batch. A process without a row of its own computes on that row,
        which then counts nothing.
        """
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        own = [batch[rank::world] for batch in batches]
        longest = [[max(batch, key=lengths.__getitem__)] if world > 1 else [] for batch in batches]
        on_cuda = self.accelerator.device.type == "cuda"
        loader = DataLoader(
            rows,
            batch_sampler=[part + row for part, row in zip(own, longest, strict=True)],
            collate_fn=self.data.collate,
            num_workers=_WORKERS if on_cuda else 0,  # on a CPU they would take its cores from the model
            pin_memory=on_cuda,
        )
        for part, batch in zip(own, loader, strict=True):
            kept = {key: value[: max(len(part), 1)] for key, value in batch.items()}
            targets = _targets(kept["labels"]) if part else 0
            yield {k: v.to(self.accelerator.device, non_blocking=True) for k, v in kept.items()}, len(part), targets


def _lengths(rows: Any) -> list[int]:
    return list(rows["length"]) if "length" in rows.column_names else [1] * len(rows)


def _targets(labels: torch.Tensor) -> int:
    """Return over how many predictions the loss of a batch is a mean: its rows, or the tokens of a language model."""
    return len(labels) if labels.dim() == 1 else int((labels[:, 1:] != _IGNORED).sum())


class _Timed(Iterator):
    """An iterator that adds up how long its reader has waited for it."""

    def __init__(self, items: Iterator):
        self._items, self.waited_s = items, 0.0

    def __next__(self) -> Any:
        start = time.perf_counter()
        item = next(self._items)
        self.waited_s += time.perf_counter() - start
        return item
