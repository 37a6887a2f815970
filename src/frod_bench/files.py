"""The one way to write: files that are whole or as they were, with the user's umask, and never through a link."""

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

    When the block ends badly, or the process is killed in it, `file` is as it was. Raises OSError, which names `file`,
    when it cannot be written, is a link or is no regular file.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        _refuse_what_is_no_file(file)
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


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Give a new folder to write into, inside `folder`; what it holds then moves up, file by file, each whole.

    It is for libraries that write several files into a folder of their own. `folder` is made where there is none; when
    the block ends badly nothing of it is left. Raises OSError, which names `folder`.
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
    """Raise OSError when `path` is a symbolic link: what it points to may be anybody's."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, and links are not followed", str(path))


def _refuse_what_is_no_file(file: Path) -> None:
    refuse_link(file)
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(file))


def _create(file: Path) -> int:
    """Make an empty file, of which nobody else has the name, and return the mode that the umask gives it."""
    with suppress(FileNotFoundError):
        file.unlink()  # left by a dead process with this number
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _finish(file: Path, mode: int) -> None:
    """Let what a library wrote, perhaps as a file of its own that only its owner may read, reach the disk."""
    with file.open("rb+") as stream:
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
