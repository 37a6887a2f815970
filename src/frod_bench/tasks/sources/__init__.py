"""Data sources: the hub, a local directory, packaged files, generated rows, the user's own files; each is a
`tasks.base.Source`.
"""

from collections.abc import Callable
from pathlib import Path

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.base import Source
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.hub import HubSource
from frod_bench.tasks.sources.limit import Limited, check_limit
from frod_bench.tasks.sources.local import LocalSource
from frod_bench.tasks.sources.own import OWN, OwnSource
from frod_bench.tasks.sources.packages import Packages

_ROOTLESS: dict[str, Callable[[], Source]] = {
    "hub": HubSource,
    "packaged": Packages,
    "generated": GeneratedSource,
}
SOURCES = ("local", *_ROOTLESS, OWN)


MAX_ROW_BYTES = 2**24


def open_source(name: str, root: str | Path | None = None, max_row_bytes: int = MAX_ROW_BYTES) -> Source:
    """Return the source called `name`; `root` is the directory of the sources "local" and "own".

    The source refuses rows with more than `max_row_bytes` in a column. Raises `RequestError` for an unknown name, for a
    root that is missing or not used, and for a limit that is not a whole number above 0.
    """
    check_limit(max_row_bytes)
    if name not in SOURCES:
        raise RequestError(f"data.source={name} is not known. {did_you_mean(str(name), SOURCES)}")
    if name == "local":
        return Limited(LocalSource(root, max_row_bytes), max_row_bytes)
    if name == OWN:
        return OwnSource(root, max_row_bytes)
    if root is not None:
        raise RequestError(f"data.root={root} is not read with data.source={name}. Add data.source=local.")
    return Limited(_ROOTLESS[name](), max_row_bytes)
