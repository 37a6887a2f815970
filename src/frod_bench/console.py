"""What a run says is never worth the run: its reader may have gone, the disk of its log may be full."""

import contextlib
import os
import sys
from typing import TextIO

from frod_bench.escape import visible


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line at once, to stdout or `file`; what cannot be printed is left out."""
    with contextlib.suppress(Exception):
        show(text, file=file)


def show(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Print what was asked for, to stdout or `file`; nothing in it reaches the terminal as a command."""
    print(visible(str(text)), end=end, file=file or sys.stdout, flush=True)


def drop_unsaid() -> None:
    """Forget what stdout would not take; else the interpreter tries it again at its end, and ends with an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
