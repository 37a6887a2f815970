"""The one way to write a file: completely or not at all, with the user's umask, and never through a link."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a path to write to, beside `file`; what was written reaches the disk and then takes its place.

    If the block raises or the process is killed in it, `file` is unchanged. Raises OSError, which names `file`, if it
    cannot be written, is a link or is not a regular file.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        _require_regular(file)
        mode = _create(partial)
        yield partial
        _finish(partial, mode)
        os.replace(partial, file)
    except OSError as error:
        error.filename = str(file)
        raise
    finally:
        with suppress(OSError):
            partial.unlink()


def save_text(file: Path, text: str) -> None:
    """Write a text in UTF-8; see `replacing`."""
    with replacing(file) as partial:
        partial.write_text(text, encoding="utf-8")


def append_text(file: Path, text: str) -> None:
    """Add a text in UTF-8 to the end of a file, for a log. Raises OSError for a link and what is no regular file."""
    _require_regular(file)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(file, flags, 0o666), "ab") as stream:
        stream.write(text.encode("utf-8"))


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yield a new folder inside `folder` to write into; its files then move up into `folder`, each atomically.

    For libraries that write several files into a folder. `folder` is created if needed; if the block raises, nothing
    of it remains. Raises OSError, which names `folder`.
    """
    partial, new = folder / f".{os.getpid()}.tmp", not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)  # of a dead process with this number
        partial.mkdir()
        mode = _create(partial / ".mode")
        (partial / ".mode").unlink()
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                _finish(file, mode)
        for entry in sorted(partial.iterdir()):
            os.replace(entry, folder / entry.name)
    except OSError as error:
        error.filename = str(folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if new:
            with suppress(OSError):  # not empty, as a rule
                folder.rmdir()


def refuse_link(path: Path) -> None:
    """Raise OSError if `path` is a symbolic link, which may point to somebody else's file."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, and links are not followed", str(path))


def _require_regular(file: Path) -> None:
    refuse_link(file)
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))


def _create(file: Path) -> int:
    """Create an empty file and return the mode that the umask gives it; fail if another process creates it first."""
    with suppress(FileNotFoundError):
        file.unlink()  # left by a dead process with this number
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _finish(file: Path, mode: int) -> None:
    """Set the mode, as some libraries create files that only their owner may read, and flush the file to the disk."""
    with file.open("rb+") as stream:
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
