"""Where caches lie on disk, and how processes that want the same entry take turns."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of entry, below `$FROD_BENCH_CACHE`, else `frod-bench` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FROD_BENCH_CACHE") or Path(base) / "frod-bench") / kind


@contextmanager
def exclusively(entry: Path) -> Iterator[bool]:
    """Hold the lock of the file `entry` inside the block; False when its folder cannot be written."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(entry.with_suffix(".lock"))
        lock.acquire()
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
