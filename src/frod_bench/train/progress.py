"""Progress of a run: a bar with an ETA on a terminal, plain lines in a log."""

import sys
import time
from contextlib import nullcontext

from tqdm import tqdm

from frod_bench.console import say

_LINE_EVERY_S = 30.0


class Progress:
    """Count the optimizer steps of a run, or other units: a bar on a terminal, elsewhere a line every 30 seconds."""

    def __init__(self, total: int, label: str, done: int = 0, quiet: bool = False, unit: str = "step"):
        self.total, self.label, self.quiet, self.unit = total, label, quiet, unit
        self.done = self._first = done
        self._start = self._last_line = time.monotonic()
        on_terminal = sys.stderr.isatty() and not quiet
        self._bar = tqdm(total=total, initial=done, desc=label, unit=unit, leave=False) if on_terminal else None

    def step(self, loss: float | None = None) -> None:
        """Count one step."""
        self.done += 1
        if self._bar is not None:
            if loss is not None:
                self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self._bar.update()
        elif not self.quiet and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._last_line = time.monotonic()
            rate = (self._last_line - self._start) / (self.done - self._first)
            left = rate * (self.total - self.done)
            say(f"{self.label}: {self.unit} {self.done}/{self.total}, about {left:.0f} s left")

    def say(self, text: str) -> None:
        """Print a line without breaking the bar."""
        if self.quiet:
            return
        with self._bar.external_write_mode(sys.stdout) if self._bar is not None else nullcontext():
            say(text)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
