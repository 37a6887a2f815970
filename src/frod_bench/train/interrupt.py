"""SIGTERM and SIGINT as a request to stop, which a run honours between two steps after writing a checkpoint."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from frod_bench.console import say

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _requeueing() -> int | None:
    """Return the signal that tells a submitit job to requeue, or None outside of one."""
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return None
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


class StopRequest:
    """Inside the block, record the first SIGTERM or SIGINT in `signum`; a second one ends the process as usual.

    The signal with which SLURM preempts a submitit job is recorded too, and `requeue` then lets submitit queue the job
    again. Outside the main thread, where Python cannot handle signals, nothing is recorded.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}  # as signal.signal returns them

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            signals = filter(None, {*SIGNALS, _requeueing()})
            self._before = {number: signal.signal(number, self._note) for number in signals}
        return self

    def requeue(self) -> None:
        """After the checkpoint, raise submitit's own signal again, so that its handler requeues the job."""
        if self.signum is not None and self.signum == _requeueing():
            signal.raise_signal(self.signum)

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signum = number
        self._restore()
        name = signal.Signals(number).name
        say(f"{name}: a checkpoint after this step, then the end; once more ends at once.", sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
