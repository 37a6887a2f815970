"""A lock that is a file. It works on any file system with exclusive creation, whether or not flock works there.

The file names its owner, who touches it every few seconds. To find out whether the owner is gone, we try the system's
lock where it works between processes of one kernel, then the process number and its start time where both see the same
processes, and otherwise watch whether the file is still touched. Clocks of two machines are never compared.
"""

import errno
import fcntl
import os
import re
import socket
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from weakref import ReferenceType, WeakSet, ref

from frod_bench.console import say
from frod_bench.files import refuse_link

_BEAT_S = 10.0  # between two touches by the owner
_WATCH_S = 60.0  # without a touch the owner is gone: several beats, as a file system may show them late
_TAKE_OVER_S = 60.0  # a takeover file older than that is left by a process that died
_MOST_BYTES = 1000  # read at most this much of a lock file
_FORM = re.compile(r"process (\d{1,9}) on .*\nboot (\S+) pids (\S+) start (\S+)\n")
_UNKNOWN = "-"  # what this system does not tell
_held: "WeakSet[FileLock]" = WeakSet()


class InUse(Exception):
    """Another owner has the lock; the message names it."""


class Owner(NamedTuple):
    """A process: its number, the kernel and the namespace that the number belongs to, and when it started."""

    pid: int
    boot: str
    pids: str
    start: str


class FileLock:
    """The lock at `file`. A forked child does not hold it, because it may outlive the owner."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stream: BinaryIO | None = None
        self._said = False

    def acquire(self) -> None:
        """Take the lock, also from an owner that is gone; do nothing if this object holds it already.

        Raises InUse when another has it, after a minute at most, and OSError when the file cannot be written.
        """
        while self._stream is None:
            refuse_link(self.file)
            try:
                self._create()
            except FileExistsError:
                with suppress(FileNotFoundError):
                    self._remove_abandoned()

    @property
    def lost(self) -> bool:
        """Whether the lock was taken but its file has since been replaced or removed."""
        return self._stream is not None and not _is_at(self._stream, self.file)

    def release(self) -> None:
        """Release the lock; do nothing if it is not held."""
        if self._stream is not None:
            with suppress(OSError):
                if not self.lost:
                    self.file.unlink()
            self.forget()

    def forget(self) -> None:
        """Close the file without removing it, as a forked child must, which does not own it."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        _held.discard(self)

    def _create(self) -> None:
        stream = os.fdopen(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), "r+b", buffering=0)
        try:
            patience = time.monotonic() + 1
            while _flock(stream) is False and time.monotonic() < patience:
                time.sleep(0.01)  # a process that inspects the file holds it briefly
            me = _this_process()
            line = f"boot {me.boot} pids {me.pids} start {me.start}"
            stream.write(f"process {me.pid} on {socket.gethostname()}\n{line}\n".encode())
        except BaseException:
            self.file.unlink(missing_ok=True)
            stream.close()
            raise
        self._stream = stream
        _held.add(self)
        threading.Thread(target=_beat, args=(ref(self),), daemon=True).start()

    def _remove_abandoned(self) -> None:
        """Remove the file of an owner that is gone. Raises InUse, or FileNotFoundError when the file is gone too."""
        with _opened(self.file) as stream:
            locked = _flock(stream)
            text = stream.read(_MOST_BYTES).decode(errors="replace")
            if locked:  # nobody may mistake this process for the owner
                fcntl.flock(stream, fcntl.LOCK_UN)
            if locked is False or not self._is_abandoned(text, locked):
                line = "".join(filter(str.isprintable, text.partition("\n")[0]))
                raise InUse(line or "another process")
            self._remove(stream)

    def _is_abandoned(self, text: str, locked: bool | None) -> bool:
        found, me = _FORM.fullmatch(text), _this_process()
        owner = Owner(int(found[1]), *found.groups()[1:]) if found else None
        if owner is not None and owner.boot == me.boot and (locked or owner.pids == me.pids):
            return bool(locked) or not _runs(owner)
        if not self._said:
            self._said = True
            say(f"{self.file} is of a process that cannot be seen from here; watching it, {_WATCH_S:g} s.", sys.stderr)
        first, until = _look(self.file), time.monotonic() + _WATCH_S
        while time.monotonic() < until:
            time.sleep(_BEAT_S / 20)
            if _look(self.file) != first:
                return False
        return True

    def _remove(self, stream: BinaryIO) -> None:
        """Remove the file that `stream` is of, unless another process, which found the same, has done so."""
        guard = self.file.with_name(f"{self.file.name}.takeover")
        try:
            os.close(os.open(guard, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            if time.time() - guard.lstat().st_mtime > _TAKE_OVER_S:
                guard.unlink(missing_ok=True)
            time.sleep(0.05)
            return
        try:
            if _is_at(stream, self.file):
                self.file.unlink()
        finally:
            guard.unlink(missing_ok=True)


def _beat(lock: "ReferenceType[FileLock]") -> None:
    """Touch the file of a lock while the lock is held. A lock dropped without a release is not kept alive."""
    while True:
        time.sleep(_BEAT_S)
        held = lock()
        if held is None or (stream := held._stream) is None:
            return
        with suppress(OSError, ValueError):  # a file system that is away for a while, a file that was just closed
            os.utime(stream.fileno())
        del held, stream


def _opened(file: Path) -> BinaryIO:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        stream = os.fdopen(os.open(file, flags | os.O_RDWR), "r+b", buffering=0)
    except PermissionError:  # another user's; some systems lock what is open to read, too
        stream = os.fdopen(os.open(file, flags | os.O_RDONLY), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    return stream


def _flock(stream: BinaryIO) -> bool | None:
    """Return whether the system gave its lock of the file, None where its locks say nothing."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    with suppress(OSError), open(f"/proc/self/fd/{stream.fileno()}", "rb") as other:  # whom it must refuse
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    return True


def _this_process() -> Owner:
    boot = pids = None
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pids = os.readlink("/proc/self/ns/pid")
    return Owner(os.getpid(), boot or socket.gethostname(), pids or _UNKNOWN, _start(os.getpid()))


def _runs(owner: Owner) -> bool:
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return owner.start == _UNKNOWN or _start(owner.pid) in (_UNKNOWN, owner.start)


def _start(pid: int) -> str:
    """Return the moment at which a process started, in ticks of this kernel; "" of a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _UNKNOWN
    return "" if fields[0] in "ZX" else fields[19]


def _look(file: Path) -> tuple[int, int]:
    """Return what a touch changes, as the file's server has it now: opening asks it anew."""
    with _opened(file) as stream:
        found = os.fstat(stream.fileno())
    return found.st_ino, found.st_mtime_ns


def _is_at(stream: BinaryIO, file: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(stream.fileno()), file.lstat())
    return False


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
