"""A whole run: train and evaluate every epoch, write metrics and checkpoints, resume after an interruption."""

import errno
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from accelerate.utils import set_seed

from frod_bench.console import say
from frod_bench.errors import Interrupted, RequestError, RunFailure
from frod_bench.record.epoch import EpochMetrics
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory
from frod_bench.train.checkpoint import delete_checkpoints, load_checkpoint, save_checkpoint
from frod_bench.train.interrupt import StopRequest
from frod_bench.train.machine import differences, machine, with_segment
from frod_bench.train.memory import peak_memory
from frod_bench.train.prediction import Predictions
from frod_bench.train.progress import Progress
from frod_bench.train.tracker import Tracker
from frod_bench.train.trainer import EpochTotals, Trainer

_ASK_EVERY = 10  # batches between two exchanges of stop requests between processes
_SAVE, _STOP = 1, 2
_OTHER_BITS = "its last bits may differ from those of an uninterrupted run."


@dataclass
class _RunState:
    """The state of a run between two batches; plain data, so that a checkpoint can hold it."""

    epochs: int = 0  # trained and evaluated
    trained: dict[str, Any] = field(default_factory=dict)  # EpochTotals of the epoch that follows
    predicted: dict[str, Predictions] = field(default_factory=dict)  # of that epoch's evaluation
    best: dict[str, Any] | None = None
    final: dict[str, Any] | None = None
    selected: float | None = None  # the value of the selecting metric at the selected epoch
    selected_epoch: int = 0
    train_s: float = 0.0
    waited_s: float = 0.0  # of train_s
    eval_s: float = 0.0
    lines: list[dict[str, Any]] = field(default_factory=list)  # of metrics.jsonl, one per epoch
    losses: list[list[float]] = field(default_factory=list)  # of every step, a list per epoch
    batches: dict[str, int] = field(default_factory=dict)  # batch sizes after running out of memory
    origin: dict[str, Any] = field(default_factory=dict)  # the rows and weights at the start
    segments: list[dict[str, Any]] = field(default_factory=list)  # see train.machine
    adapter: dict[str, str] = field(default_factory=dict)  # digests of the selected epoch's adapter files

    @property
    def at_selected(self) -> bool:
        """Whether the model has the values of the selected epoch."""
        return self.epochs == self.selected_epoch > 0 and not self.trained


def fit(
    trainer: Trainer,
    run: RunDirectory,
    record: RunRecord,
    tracker: Tracker,
    resume: bool = False,
    checkpoint_every_s: float | None = None,
) -> RunRecord:
    """Train to the last epoch and return the completed record.

    After each epoch, writes a line of metrics, the record and a checkpoint, and the adapter if the epoch is selected:
    the best on the evaluation split (the released code's rule), the last one, or the best on the hold-out. Also writes
    a checkpoint every `checkpoint_every_s` seconds. Raises Interrupted, after a checkpoint, on SIGTERM or SIGINT, and
    RequestError when the checkpoint is of other rows or base weights.
    """
    set_seed(trainer.seed, device_specific=True)  # processes must not drop the same units out
    settings, main = trainer.settings, trainer.accelerator.is_main_process
    done = _RunState(
        **(load_checkpoint(run.checkpoints, trainer, partial(_adapter_problem, run)) if resume else None) or {}
    )
    trainer.batches |= done.batches
    done.origin = _same_origin(done.origin, record, run)
    steps_done = done.epochs * trainer.steps_per_epoch + done.trained.get("steps", 0)
    here = machine(trainer.accelerator)
    other = differences(done.segments, here)
    record.environment["segments"] = done.segments = with_segment(done.segments, here, done.epochs + 1, steps_done + 1)
    if main:
        run.write_metrics(done.lines)
        run.write_losses(done.losses)
        run.write_record(record)
        if steps_done:
            say(_going_on(done, settings.epochs))
        if other:
            say(f"The run resumes on other hardware or software ({'; '.join(other)}): {_OTHER_BITS}")
    if done.at_selected:
        _save_adapter(trainer, run, done)  # the run may have ended between the checkpoint and this
    progress = Progress(trainer.total_steps, f"{record.method} {record.task}", steps_done, quiet=not main)
    with StopRequest() as stop:
        checkpointer = _Checkpointer(trainer, run, done, stop, checkpoint_every_s)
        try:
            for epoch in range(done.epochs, settings.epochs):
                trained = trainer.train_epoch(
                    epoch, progress, EpochTotals(**done.trained), lambda state: checkpointer.pause("trained", state)
                )
                done.trained = asdict(trained)
                clock = time.perf_counter()

                def between(state: Callable[[], Any]) -> None:
                    nonlocal clock
                    done.eval_s, clock = done.eval_s + time.perf_counter() - clock, time.perf_counter()
                    checkpointer.pause("predicted", state)

                metrics = trainer.evaluate(done.predicted, between)
                done.eval_s += time.perf_counter() - clock
                done.train_s += trained.seconds
                done.waited_s += trained.waited_s
                done.epochs, done.trained, done.predicted = epoch + 1, {}, {}
                epoch_metrics = _epoch_metrics(trainer, trained, metrics, done.epochs)
                line = epoch_metrics.as_line()
                done.lines.append(line)
                done.losses.append(trained.losses)
                selected = _select(trainer, record, done, metrics)
                if main:
                    run.require_owned()
                    run.write_metrics(done.lines)
                    run.write_losses(done.losses)
                    _update(record, trainer, done)
                    run.write_record(record)
                    tracker.log(line)
                checkpointer.save()
                if selected:
                    _save_adapter(trainer, run, done)
                trainer.accelerator.wait_for_everyone()
                words = trainer.adapted.method.epoch_words(epoch_metrics.method)
                progress.say(epoch_metrics.in_words(record.metric["name"], settings.epochs, words))
        finally:
            progress.close()
    record.status = "completed"
    _update(record, trainer, done)
    if main:
        record.files = run.digests()
        if done.adapter.items() - record.files.items():
            raise RunFailure(f"{_adapter_changed(done)}. The same command resumes from before that.")
        run.write_record(record)
        delete_checkpoints(run.checkpoints)
    return record


class _Checkpointer:
    """Write a checkpoint when one is due, or when a signal asks the run to stop."""

    def __init__(self, trainer: Trainer, run: RunDirectory, done: _RunState, stop: StopRequest, every_s: float | None):
        self._trainer, self._run, self._done, self._stop, self._every_s = trainer, run, done, stop, every_s
        self._last, self._asked = time.monotonic(), 0

    def pause(self, part: str, state: Callable[[], Any]) -> None:
        """Save if requested; `state()` returns the state of `part`, a field of `_RunState`. Raises Interrupted."""
        if (request := self._requested()) == 0:
            return
        value = state()
        setattr(self._done, part, asdict(value) if isinstance(value, EpochTotals) else value)
        self.save()
        if request == _STOP:
            self._stop.requeue()
            signum = self._stop.signum or signal.SIGTERM
            raise Interrupted(f"{signal.Signals(signum).name}. The same command resumes from here.", signum)

    def save(self) -> None:
        """Write a checkpoint; when the disk is full, keep the one before and go on."""
        self._done.batches = dict(self._trainer.batches)
        self._run.require_owned()
        try:
            save_checkpoint(self._run.checkpoints, self._trainer, asdict(self._done))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            say(f"No checkpoint could be written ({error.strerror}); the one before is kept.")
        self._last = time.monotonic()

    def _requested(self) -> int:
        due = self._every_s is not None and time.monotonic() - self._last >= self._every_s
        request = _STOP if self._stop.signum is not None else _SAVE if due else 0
        accelerator = self._trainer.accelerator
        if accelerator.num_processes == 1:
            return request
        self._asked += 1
        if self._asked % _ASK_EVERY:
            return 0
        return int(accelerator.gather(torch.tensor([request], device=accelerator.device)).max())


def _save_adapter(trainer: Trainer, run: RunDirectory, done: _RunState) -> None:
    main = trainer.accelerator.is_main_process
    trainer.adapted.save(run.adapter, write=main)
    done.adapter = run.adapter_digests() if main else {}


def _adapter_problem(run: RunDirectory, progress: dict[str, Any]) -> str | None:
    """Return what is wrong with the selected epoch's adapter, or None if it is intact or in the checkpoint itself."""
    done = _RunState(**progress)
    intact = done.selected_epoch == 0 or done.at_selected or run.adapter_digests() == done.adapter
    return None if intact else _adapter_changed(done)


def _adapter_changed(done: _RunState) -> str:
    return f"The adapter of epoch {done.selected_epoch} was removed or changed"


def _same_origin(begun: dict[str, Any], record: RunRecord, run: RunDirectory) -> dict[str, Any]:
    """Return the rows and weights of the run. Raises RequestError when they differ from those it began with."""
    parts = {"rows": [record.data, record.samples], "base weights": record.initialisation.get("backbone")}
    for what, own in parts.items():
        if begun.get(what, own) != own:
            raise RequestError(
                f"The run started with other {what} ({begun[what]}) than it has now ({own}). Restore those, or"
                f" delete the folder {run.checkpoints}, and the same command starts again."
            )
    return parts


def _going_on(done: _RunState, epochs: int) -> str:
    after = f"going on after epoch {done.epochs} of {epochs}"
    return after + (f" and {done.trained['steps']} steps of the next" if done.trained else "")


def _select(trainer: Trainer, record: RunRecord, done: _RunState, metrics: dict[str, float]) -> bool:
    """Update the best and the last score with this epoch; return whether the epoch is selected."""
    name, higher = record.metric["name"], record.metric["higher_is_better"]
    score = {"value": metrics[name], "epoch": done.epochs, "metrics": metrics}
    done.final = score
    selection = trainer.settings.selection
    judged = metrics[f"holdout_{name}"] if selection == "holdout" else metrics[name]
    better = done.selected is None or (judged > done.selected if higher else judged < done.selected)
    if better:
        done.selected = judged
        done.best = score
    if better or selection == "last":
        done.selected_epoch = done.epochs
    return done.selected_epoch == done.epochs


def _epoch_metrics(trainer: Trainer, trained: EpochTotals, scores: dict[str, float], epoch: int) -> EpochMetrics:
    clock = time.perf_counter()
    columns = trainer.adapted.epoch_columns(trained.lr)
    return EpochMetrics(
        epoch=epoch,
        step=epoch * trainer.steps_per_epoch,
        train_loss=trained.loss,
        eval=scores,
        lr=trained.lr,
        seconds=trained.seconds,
        diagnostics_s=time.perf_counter() - clock,
        data_wait=trained.waited_s / trained.seconds,
        samples_per_second=trained.samples / trained.seconds,
        flops=trained.flops,
        peak_memory_bytes=peak_memory(trainer.accelerator.device)[0],
        method=columns,
    )


def _update(record: RunRecord, trainer: Trainer, done: _RunState) -> None:
    peak, kind = peak_memory(trainer.accelerator.device)
    record.best, record.final = done.best, done.final
    data_wait = done.waited_s / done.train_s if done.train_s else 0.0
    record.time |= {"train_s": done.train_s, "eval_s": done.eval_s, "data_wait": data_wait}
    cut = {key: value for key, value in trainer.batches.items() if value != getattr(trainer.settings, key)}
    record.memory = {"peak_bytes": peak, "kind": kind} | cut
