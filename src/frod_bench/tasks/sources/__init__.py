"""Data sources: hub, a local directory, packaged files, generated rows; all are a `tasks.base.Source`."""

from collections.abc import Callable
from pathlib import Path

from frod_bench.errors import RequestError, nearest
from frod_bench.tasks.base import Source
from frod_bench.tasks.sources.generated import GeneratedSource
from frod_bench.tasks.sources.hub import HubSource
from frod_bench.tasks.sources.local import LocalSource
from frod_bench.tasks.sources.packages import Packages

_ROOTLESS: dict[str, Callable[[], Source]] = {
    "hub": HubSource,
    "packaged": Packages,
    "generated": GeneratedSource,
}
SOURCES = ("local", *_ROOTLESS)


def open_source(name: str, root: str | Path | None = None) -> Source:
    """Return the source called `name`; `root` is the directory of "local", and of no other.

    Raises `RequestError` on an unknown name, and on a root that is missing or not used.
    """
    if name not in SOURCES:
        raise RequestError(f"data.source={name} is not known. {nearest(str(name), SOURCES)}")
    if name == "local":
        return LocalSource(root)
    if root is not None:
        raise RequestError(f"data.root={root} is not read with data.source={name}. Add data.source=local.")
    return _ROOTLESS[name]()
