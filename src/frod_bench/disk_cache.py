"""Where caches lie on disk, and how processes that want the same entry take turns."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from frod_bench.console import say

_PATIENCE_S = 5.0  # without a word


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of entry, below `$FROD_BENCH_CACHE`, else `frod-bench` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FROD_BENCH_CACHE") or Path(base) / "frod-bench") / kind


@contextmanager
def exclusively(entry: Path) -> Iterator[bool]:
    """Hold the lock of the file or folder `entry` inside the block; False when its folder cannot be written.

    The lock of a process that died is free. What such a process left half made, as `partial` names it, is removed.
    """
    lock = FileLock(entry.with_suffix(".lock"))
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            say(f"waiting for another process that makes {entry}", sys.stderr)
            lock.acquire()
        for left in entry.parent.glob(f"{entry.stem}.*.tmp"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def partial(entry: Path) -> Path:
    """Return where this process makes `entry`, beside it, before it is moved to its place whole."""
    return entry.with_name(f"{entry.stem}.{os.getpid()}.tmp")
