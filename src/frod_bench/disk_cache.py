"""Where caches are stored, how processes that want the same entry take turns, and the warnings when a cache fails."""

import glob
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frod_bench.console import say
from frod_bench.locks import FileLock, InUse

_PATIENCE_S = 5.0  # without a word
_POLL_S = 0.05
_said: set[Path] = set()


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of entry, below `$FROD_BENCH_CACHE`, else `frod-bench` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FROD_BENCH_CACHE") or Path(base) / "frod-bench") / kind


@contextmanager
def exclusively(entry: Path) -> Iterator[OSError | None]:
    """Hold the lock of the file or folder `entry` inside the block.

    Yields the error if its folder is read-only, else None. The lock of a dead process is free, and its partly written
    files are removed.
    """
    lock = FileLock(entry.with_name(f".{entry.name}.lock"))
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _wait(lock, entry)
        for left in entry.parent.glob(f".{glob.escape(entry.name)}.*.tmp"):
            left.unlink()
    except OSError as error:
        lock.release()
        yield error
        return
    try:
        yield None
    finally:
        lock.release()


def say_not_kept(entry: Path, error: Exception) -> None:
    """Warn, once per folder, that a computed entry could not be stored."""
    folder = entry.parent
    _say_once(
        f"The cache {folder} cannot be written ({_reason(error)}), so the next run computes the same again."
        " FROD_BENCH_CACHE=DIR moves the cache.",
        folder,
    )


def say_unreadable(entry: Path, error: Exception) -> None:
    """Warn, once per folder, that an entry exists but cannot be read."""
    text = f"{entry} cannot be read ({_reason(error)}), so it is computed again. Ask its owner for chmod a+r."
    _say_once(text, entry.parent / "unreadable")


def _say_once(text: str, about: Path) -> None:
    if about not in _said:
        _said.add(about)
        say(text, sys.stderr)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _wait(lock: FileLock, entry: Path) -> None:
    patience: float | None = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return lock.acquire()
        except InUse:
            if patience is not None and time.monotonic() > patience:
                say(f"waiting for another process that makes {entry}", sys.stderr)
                patience = None
            time.sleep(_POLL_S)
