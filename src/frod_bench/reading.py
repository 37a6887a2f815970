"""Files that anybody may have written, read within bounds: regular ones, up to a size, and JSON as plain data.

A folder of runs comes from colleagues and downloads. A named pipe, a device or a file of terabytes in it must not stop
whoever reads the folder.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from frod_bench.errors import RequestError

DOCUMENT = 4 * 2**20  # bytes of what is parsed in one piece: a record, a configuration, one line
LINES = 256 * 2**20  # bytes of a file that is read line by line
DEPTH = 64  # of lists and objects inside each other
LARGEST = 1e100  # of a number, in size: sums, squares and percentages of such numbers are still finite
_BLOCK = 2**20


@contextmanager
def opened(file: Path, limit: int | None = None, links: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file of at most `limit` bytes for reading; with `links` also through one, as in the hub's cache.

    Raises RequestError for anything else (a pipe, a device, a folder, more bytes) and for what the system says.
    """
    try:
        # without O_NONBLOCK the opening of a pipe waits for a writer
        descriptor = os.open(file, os.O_RDONLY | (0 if links else os.O_NOFOLLOW) | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise RequestError(f"{file} cannot be read (it is not a regular file).")
            if limit is not None and status.st_size > limit:
                raise _too_large(file, limit)
            yield stream
    except OSError as error:
        reason = "it is a link" if file.is_symlink() and not links else error.strerror
        advice = " Ask its owner for chmod a+r." if isinstance(error, PermissionError) else ""
        raise RequestError(f"{file} cannot be read ({reason}).{advice}") from error


def read_text(file: Path, limit: int = DOCUMENT, links: bool = False) -> str:
    """Return the text of a file. Raises RequestError as `opened` does, and for what is not UTF-8."""
    with opened(file, limit, links) as stream:
        content = stream.read(os.fstat(stream.fileno()).st_size)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{file} cannot be read (it is not UTF-8: {error.reason}).") from error


def read_lines(file: Path, start: int = 0) -> Iterator[bytes]:
    """Yield the lines of a file from byte `start` on, each with its end; one is in memory at a time.

    Raises RequestError as `opened` does.
    """
    left = LINES
    with opened(file, LINES) as stream:
        stream.seek(start)
        while line := stream.readline(DOCUMENT + 1):
            left -= len(line)
            if len(line) > DOCUMENT:
                raise _too_large(file, DOCUMENT, "a line of ")
            if left < 0:
                raise _too_large(file, LINES)
            yield line


def file_digest(file: Path, limit: int | None = None) -> str:
    """Return "sha256:" and the digest of a file. Raises RequestError as `opened` does."""
    digest, read = hashlib.sha256(), 0
    with opened(file, limit) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            read += len(block)
            if limit is not None and read > limit:
                raise _too_large(file, limit)
    return f"sha256:{digest.hexdigest()}"


def parse_json(text: str, record: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the data of a JSON text; `record` makes an object of its keys and values, in place of a dict.

    Raises ValueError also for what Python's parser accepts: NaN and Infinity, half a character, lists and objects
    nested deeper than `DEPTH`.
    """
    try:
        content = json.loads(text, object_pairs_hook=record, parse_constant=_reject)
    except RecursionError:
        raise _too_deep() from None
    if r"\ud" in text.lower():  # an escape that may stand for half a character, which nothing can print
        json.dumps(content, ensure_ascii=False).encode()
    if text.count("[") + text.count("{") > DEPTH:  # fewer brackets cannot nest that deep
        _check_depth(content)
    return content


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(DEPTH + 1):
        level = [part for node in level for part in (node.values() if isinstance(node, dict) else node)]
        level = [part for part in level if isinstance(part, dict | list)]
        if not level:
            return
    raise _too_deep()


def _reject(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _too_deep() -> ValueError:
    return ValueError(f"it is nested deeper than {DEPTH} levels")


def _too_large(file: Path, limit: int, what: str = "") -> RequestError:
    return RequestError(f"{file} cannot be read (it has {what}more than {limit / 2**20:g} MiB).")
