"""One process a directory: a lock that the system takes back when its owner dies."""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TextIO
from weakref import WeakSet

from frod_bench.errors import RequestError, RunFailure

_held: "WeakSet[DirectoryLock]" = WeakSet()


class DirectoryLock:
    """The file `.lock` of a directory, there while a process has the directory; it names that process.

    A forked child, as of a data loader, has no part in it: it may outlive the owner, and the lock with it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._file = directory, directory / ".lock"
        self._stream: TextIO | None = None

    def acquire(self) -> None:
        """Take the lock, also from an owner that has died; nothing happens when this object holds it already.

        Raises RequestError, naming the owner, when another has it, and OSError when the file cannot be written.
        """
        while self._stream is None:
            stream = self._file.open("a+", encoding="utf-8")
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                owner = stream.read().strip() or "another process"
                stream.close()
                raise RequestError(
                    f"The directory {self._directory} is in use by {owner}. Wait for it, stop it, or give another"
                    " one with out=DIR."
                ) from None
            if _is_at(stream, self._file):  # else its last owner has just removed it
                stream.truncate(0)
                stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
                stream.flush()
                self._stream = stream
                _held.add(self)
            else:
                stream.close()

    def require(self) -> None:
        """Raise RunFailure when the lock was taken and its file is gone, as it is with a removed directory."""
        if self._stream is not None and not _is_at(self._stream, self._file):
            raise RunFailure(
                f"The directory {self._directory} was removed while the run wrote into it. The same command makes"
                " the run again."
            )

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._stream is not None:
            if _is_at(self._stream, self._file):
                self._file.unlink(missing_ok=True)
            self.forget()

    def forget(self) -> None:
        """Close the file without a word to its owner, which a forked child is not."""
        self._stream.close()
        self._stream = None
        _held.discard(self)


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)


def _is_at(stream: TextIO, file: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(stream.fileno()), file.stat())
    return False
