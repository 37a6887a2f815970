"""SIGTERM and SIGINT as a wish that a run fulfils between two steps, after a checkpoint."""

import signal
import sys
import threading
from types import FrameType

from frod_bench.console import say

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopWish:
    """Inside the block a first SIGTERM or SIGINT is noted in `signum`; a second one ends the process as ever.

    Outside the main thread, where Python cannot listen to signals, nothing is noted.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopWish":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

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
