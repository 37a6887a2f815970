"""One epoch of training and one evaluation, on accelerate; both can stop between two batches and resume."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils.memory import clear_device_cache

from frod_bench.console import say
from frod_bench.errors import Diverged, OutOfMemory, RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.tasks.base import Batch, TaskData
from frod_bench.train.attention import training_attention
from frod_bench.train.batches import plan_epoch
from frod_bench.train.coupling import coupled_rows, last_statistics, over_processes, require_uncoupled_rows, survey
from frod_bench.train.epoch_totals import EpochTotals
from frod_bench.train.flops import FlopCount, typical_step
from frod_bench.train.loading import Loader, MicroBatch, TimedIterator, lengths_of
from frod_bench.train.nonfinite import LossWatch, first_not_finite
from frod_bench.train.optim import (
    drop_unfinished_state,
    learning_rates,
    make_optimizer,
    make_schedule,
    train_in_float32,
)
from frod_bench.train.out_of_memory import is_out_of_memory, what_was_live
from frod_bench.train.prediction import Predictions, gather_predictions, predict
from frod_bench.train.processes import exclude_frozen_from_ddp
from frod_bench.train.progress import Progress
from frod_bench.train.settings import TrainSettings
from frod_bench.train.sharding import prepare_sharded

_ADVICE = "Lower the learning rates (train.lr) or clip the gradient (train.max_grad_norm=1)."
HOLDOUT = "holdout"  # the split of the rows held out from training
_CUT = "gradient_accumulation_steps"  # the key that cuts a batch into micro-batches
_CHECK_EVERY = 25  # steps between two checks of the loss on a GPU, where each check waits for the device

# called between two batches with a function that returns the state; it may raise to stop there
Pause = Callable[[Callable[[], Any]], None]


class Trainer:
    """Train and evaluate an adapted model on a task's rows.

    The state is in the model, the optimizer, the schedule and `batches`, which holds `gradient_accumulation_steps` and
    `eval_batch_size` as set, or as `auto_batch` has changed them.
    """

    def __init__(self, adapted: Adapted, data: TaskData, settings: TrainSettings, seed: int, accelerator: Accelerator):
        self.adapted, self.data, self.settings, self.seed = adapted, data, settings, seed
        self.accelerator = accelerator
        if settings.auto_batch and accelerator.num_processes > 1:
            raise RequestError(
                "train.auto_batch=true is for one process. Set train.gradient_accumulation_steps instead."
            )
        if settings.gradient_accumulation_steps > 1 or accelerator.num_processes > 1:
            require_uncoupled_rows(adapted.model)
        self.batches = {_CUT: settings.gradient_accumulation_steps, "eval_batch_size": settings.eval_batch_size}
        self.lengths = lengths_of(data.train)
        adapted.model.to(accelerator.device)
        train_in_float32(adapted, settings.precision)
        exclude_frozen_from_ddp(adapted, accelerator)
        if settings.shard:
            make = partial(make_optimizer, settings=settings)
            self.model, optimizer, self.optimizer = prepare_sharded(adapted, make, accelerator)
        else:
            optimizer = make_optimizer(adapted, settings)
            self.model, self.optimizer = accelerator.prepare(adapted.model, optimizer)
        self.load = Loader(accelerator, data.collate)
        self.check_every = 1 if accelerator.device.type == "cpu" else _CHECK_EVERY
        self.steps_per_epoch = len(self._plan(0))
        self.total_steps = self.steps_per_epoch * settings.epochs
        self.schedule = make_schedule(optimizer, settings, self.total_steps)

    def _plan(self, epoch: int) -> list[list[list[int]]]:
        s = self.settings
        micro_batches, last = self.batches[_CUT], s.last_batch or 0.0
        return plan_epoch(self.lengths, s.batch_size, micro_batches, self.seed, epoch, s.group_by_length, last)

    def train_epoch(
        self, epoch: int, progress: Progress, done: EpochTotals | None = None, pause: Pause | None = None
    ) -> EpochTotals:
        """Train one epoch, skipping the steps that `done` covers; `pause` is called after each step.

        Raises Diverged when the loss is not finite, naming the step and the place of the first such
        values, and OutOfMemory.
        """
        self.model.train()
        done = done or EpochTotals()
        device, start = self.accelerator.device, time.perf_counter() - done.seconds
        total = torch.tensor(done.loss_sum, device=device, dtype=torch.float64)
        watch = LossWatch(self.optimizer, device)
        recent: list[torch.Tensor] = []  # losses of steps since `state` was last asked for

        def state() -> EpochTotals:
            self._require_finite(watch, plan, epoch, done.steps)  # before a checkpoint stores the values
            done.loss_sum, done.seconds, done.waited_s = total.item(), time.perf_counter() - start, batches.waited_s
            if recent:
                done.losses += torch.stack(recent).tolist()
                recent.clear()
            return done

        if hasattr(self.data.train, "set_epoch"):
            self.data.train.set_epoch(self.seed, epoch)
        plan, batches = self._batches(epoch, done)
        typical = typical_step(plan, self.lengths)
        while done.steps < len(plan):
            step = plan[done.steps]
            done.lr = learning_rates(self.optimizer)
            with FlopCount() if done.steps == typical else contextlib.nullcontext() as flops:
                mean = self._step_or_cut(step, batches, watch)
            if mean is None:
                plan, batches = self._batches(epoch, done)
                typical = typical_step(plan, self.lengths)
                continue
            if flops is not None:
                done.flops = flops.total * len(plan) * self.accelerator.num_processes
            recent.append(mean)
            rows = sum(map(len, step))
            total += mean * rows
            done.steps, done.samples = done.steps + 1, done.samples + rows
            progress.step(mean.item() if device.type == "cpu" else None)
            if done.steps % self.check_every == 1 % self.check_every or done.steps == len(plan):
                self._require_finite(watch, plan, epoch, done.steps)
            if pause is not None:
                pause(state)
        return state()

    def _batches(self, epoch: int, done: EpochTotals) -> tuple[list[list[list[int]]], TimedIterator]:
        """Return the plan of the epoch and the batches of its remaining steps."""
        plan = self._plan(epoch)
        left = plan[done.steps :]
        micros = [micro for step in left for micro in step]
        rows_of_steps = [[row for micro in step for row in micro] for step in left for _ in step]
        together = rows_of_steps if self.adapted.method.couples_rows else None
        tokens = self.data.trains_on_tokens
        loaded = self.load(self.data.train, self.lengths, micros, done.steps > 0, together, count_tokens=tokens)
        return plan, TimedIterator(loaded, done.waited_s)

    def _step_or_cut(self, step: list[list[int]], batches: Iterator, watch: LossWatch) -> torch.Tensor | None:
        """Take one step and return its loss; when memory runs out, halve the micro-batches and return None."""
        try:
            return self._step(step, batches, watch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            divisible = len(step[0]) > 1 and coupled_rows(self.adapted.model) is None
            self._give_up(error, _CUT, f"in a step of micro-batches of {len(step[0])} rows", divisible)
        self.model.train()  # frees what adapters cached in the forward pass, and its graph
        self.optimizer.zero_grad()
        drop_unfinished_state(self.optimizer)
        self._cut(_CUT, min(2 * self.batches[_CUT], self.settings.batch_size))
        return None

    def _step(self, step: list[list[int]], batches: Iterator[MicroBatch], watch: LossWatch) -> torch.Tensor:
        """Take one optimizer step over the micro-batches of `step`; return the mean loss [] over rows or tokens."""
        accelerator, parts = self.accelerator, [next(batches) for _ in step]
        rows, world, several = sum(map(len, step)), accelerator.num_processes, len(parts) > 1
        counted: int | torch.Tensor = rows  # which every process knows, unlike the number of tokens
        if self.data.trains_on_tokens:
            counted = sum(tokens for _, _, tokens in parts)
            if world > 1:
                counted = over_processes(torch.tensor(counted, device=accelerator.device), accelerator)
        mean = torch.zeros((), device=accelerator.device, dtype=torch.float64)
        fixed = self.adapted.fixed_weights(len(step)) if several else contextlib.nullcontext()
        with fixed, training_attention(accelerator.device, self.settings.precision):
            statistics = survey(self.adapted, parts, self._loss, accelerator) if several else None
            for number, (batch, own, targets) in enumerate(parts, start=1):
                weight = targets / counted
                with contextlib.nullcontext() if number == len(parts) else accelerator.no_sync(self.model):
                    loss = self._loss(batch)
                    if not several:
                        statistics = last_statistics(self.adapted, own, accelerator)
                    total = loss * weight + self.adapted.auxiliary_loss(statistics) * (own / rows)
                    # gradients are averaged over processes, so each process weighs its part `world` times
                    accelerator.backward(total * world)
                mean += loss.detach() * weight
        mean = over_processes(mean, accelerator)
        watch.see(mean)
        if self.settings.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self.optimizer.step()
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        self.optimizer.zero_grad()
        return mean

    def _loss(self, batch: Batch) -> torch.Tensor:
        with self.accelerator.autocast():
            return self.model(**batch).loss

    def _require_finite(self, watch: LossWatch, plan: list[list[list[int]]], epoch: int, steps: int) -> None:
        if (lost := watch.lost()) is None:
            return
        number = steps - 1 - lost[0]

        def again() -> None:
            for batch, *_ in self.load(self.data.train, self.lengths, plan[number], begun=True):
                self._loss(batch)

        where = first_not_finite(self.accelerator.unwrap_model(self.model), again)
        first = f"The first values that are not finite are {where}." if where else "The model's own values are finite."
        raise Diverged(
            f"The loss became {lost[1]} at step {epoch * self.steps_per_epoch + number + 1} (epoch {epoch + 1})."
            f" {first} {_ADVICE}"
        )

    @torch.no_grad()
    def evaluate(
        self,
        done: dict[str, Predictions] | None = None,
        pause: Pause | None = None,
        splits: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """Return all metrics of the `splits`, by default those of every epoch; the hold-out's begin with `holdout_`.

        Predictions are added to `done`, by split; rows already in it are not predicted again. `pause` is called after
        each batch. Raises Diverged when the model's outputs are not finite, and OutOfMemory.
        """
        self.model.eval()
        done = {} if done is None else done
        metrics: dict[str, float] = {}
        with self.adapted.fixed_weights():
            for split, rows in (self.every_epoch if splits is None else splits).items():
                found = self._predict(split, rows, done, pause)
                named = self.data.reported if split == HOLDOUT else split
                scores = self.data.measure(named, [row[2] for row in found], [row[1] for row in found])
                prefix = f"{HOLDOUT}_" if split == HOLDOUT else ""
                metrics |= {f"{prefix}{name}": value for name, value in scores.items()}
        return metrics

    @property
    def every_epoch(self) -> dict[str, Any]:
        """The rows that are scored after every epoch, by split."""
        held_out = {} if self.data.holdout is None else {HOLDOUT: self.data.holdout}
        return (self.data.evaluation if self.settings.evaluation is None else {}) | held_out

    def _predict(self, split: str, rows: Any, done: dict[str, Predictions], pause: Pause | None) -> Predictions:
        """Return the predictions of all rows, in their order."""
        found = done.setdefault(split, [])
        model = self.accelerator.unwrap_model(self.model)  # prediction may call more than forward, such as generate

        def state() -> dict[str, Predictions]:
            return done | {split: gather_predictions(found, self.accelerator)}

        finished = False
        while not finished:
            size = self.batches["eval_batch_size"]
            try:
                for _ in predict(rows, found, size, model, self.data.predict, self.load, self.accelerator):
                    if pause is not None:
                        pause(state)
                finished = True
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._give_up(error, "eval_batch_size", f"in evaluating {size} rows at once", size > 1)
            if not finished:
                self._cut("eval_batch_size", max(size // 2, 1))
        done[split] = gather_predictions(found, self.accelerator)
        return done[split]

    def _give_up(self, error: Exception, key: str, where: str, divisible: bool) -> None:
        """Raise OutOfMemory, unless `auto_batch` is on and the batch is `divisible`."""
        if self.settings.auto_batch and divisible:
            return
        halved = {_CUT: 2 * self.batches[_CUT], "eval_batch_size": self.batches["eval_batch_size"] // 2}
        advice = f"train.{key}={halved[key]} halves what a batch needs, train.auto_batch=true does so until it fits; "
        raise OutOfMemory(
            f"There was not enough memory {where}. {what_was_live(self.model, self.optimizer, self.accelerator.device)}"
            f" {advice if divisible else ''}train.precision=bf16 and a shorter text.max_length need less, and for"
            " backbones that have it backbone.gradient_checkpointing=true.",
            key if divisible else None,
        ) from error

    def _cut(self, key: str, value: int) -> None:
        clear_device_cache(garbage_collection=True)
        say(f"Out of memory: the run goes on with train.{key}={value}.")
        self.batches[key] = value
