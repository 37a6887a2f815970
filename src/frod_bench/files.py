"""Files that are either whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a path to write to, beside `file`; what was written reaches the disk and then takes its place.

    When the block ends badly `file` is as it was. An OSError names it, which the system does not when a disk is full.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except OSError as error:
        error.filename = str(file)
        raise
    finally:
        partial.unlink(missing_ok=True)
