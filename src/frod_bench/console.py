"""Printing that never ends a run: the reader may be gone, or the disk of the log full."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from frod_bench.escape import visible

_listeners: list[Callable[[str], None]] = []


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line immediately, to stdout or `file`; drop it when that fails."""
    with contextlib.suppress(Exception):
        show(text, file=file)
    for listener in _listeners:
        listener(text)


@contextlib.contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Inside the block, also pass to `listener` every line that `say` prints."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def show(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Print a command's result, to stdout or `file`, with terminal control characters made visible."""
    print(visible(str(text)), end=end, file=file or sys.stdout, flush=True)


def discard_unprinted() -> None:
    """Discard what stdout could not take; the interpreter would try again at exit, and exit with an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
