"""The state of a run between two batches, and when it is written to a checkpoint."""

import errno
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from frod_bench.console import say
from frod_bench.errors import Interrupted
from frod_bench.record.store import RunDirectory
from frod_bench.train.checkpoint import save_checkpoint
from frod_bench.train.epoch_totals import EpochTotals
from frod_bench.train.interrupt import StopRequest
from frod_bench.train.prediction import Predictions
from frod_bench.train.trainer import Trainer

_ASK_EVERY = 10  # batches between two exchanges of stop requests between processes
_SAVE, _STOP = 1, 2


@dataclass
class RunState:
    """The state of a run between two batches; plain data, so that a checkpoint can hold it."""

    epochs: int = 0  # trained and evaluated
    trained: dict[str, Any] = field(default_factory=dict)  # EpochTotals of the epoch that follows
    predicted: dict[str, Predictions] = field(default_factory=dict)  # of that epoch's evaluation, or of the last one
    kept: dict[int, dict[str, Predictions]] = field(default_factory=dict)  # of the best and the last epoch
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


class Checkpointer:
    """Write a checkpoint when one is due, or when a signal asks the run to stop."""

    def __init__(self, trainer: Trainer, run: RunDirectory, done: RunState, stop: StopRequest, every_s: float | None):
        self._trainer, self._run, self._done, self._stop, self._every_s = trainer, run, done, stop, every_s
        self._last, self._asked = time.monotonic(), 0

    def pause(self, part: str, state: Callable[[], Any]) -> None:
        """Save if requested; `state()` returns the state of `part`, a field of `RunState`. Raises Interrupted."""
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
