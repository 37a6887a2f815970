"""A lock that lets only one process use a directory."""

import os
from pathlib import Path

from frod_bench.errors import RequestError, RunFailure
from frod_bench.locks import FileLock, InUse


class DirectoryLock:
    """The file `.lock` in a directory, which exists while a process uses the directory and names that process."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._lock = directory, FileLock(directory / ".lock")
        self._there: os.stat_result | None = None  # the directory that was locked

    def acquire(self) -> None:
        """Take the lock, also from an owner that no longer runs; do nothing if this object holds it already.

        Raises RequestError, naming the owner, when another process holds it, and OSError when the file cannot be
        written.
        """
        try:
            self._lock.acquire()
        except InUse as owner:
            raise RequestError(
                f"The directory {self._directory} is in use by {owner}. Wait for it, stop it, or give another"
                " one with out=DIR."
            ) from None
        self._there = self._directory.stat()

    def require(self) -> None:
        """Raise RunFailure when another process has taken over the lock, or the directory was removed."""
        if not self._lock.lost:
            return
        try:
            same = self._there is not None and os.path.samestat(self._there, self._directory.stat())
            taken = same and self._lock.file.exists()
        except OSError:
            taken = False
        how = "was taken over by another process, which did not see this one," if taken else "was removed"
        raise RunFailure(
            f"The directory {self._directory} {how} while the run wrote into it. The same command makes the run again."
        )

    def release(self) -> None:
        """Release the lock; do nothing if it is not held."""
        self._lock.release()
