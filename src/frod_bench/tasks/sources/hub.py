"""Rows from the Hugging Face hub, or from its cache on this machine."""

import re

from datasets import Dataset, Features, load_dataset
from huggingface_hub import HfApi, is_offline_mode

from frod_bench.errors import RequestError

_PROBE_S = 10


class HubSource:
    """Reads a hub data set at one revision: the given one, else the newest when the first split is read.

    With HF_HUB_OFFLINE=1 only the cache is read.
    """

    def __init__(self, revision: str | None = None):
        self._revision = revision

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one split, with all of its columns.

        Raises `RequestError`, within seconds, when the hub is not reached and when it does not have the rows.
        """
        try:
            if not is_offline_mode():
                # One short request first: without a network, load_dataset retries for half a minute.
                self._revision = HfApi().dataset_info(repo, revision=self._revision, timeout=_PROBE_S).sha
            # The scheme keeps a directory of the same name, such as a data root one stands in, from being read.
            rows = load_dataset(f"hf://datasets/{repo}", config, split=split, revision=self._revision)
        except Exception as error:  # the hub's client raises whatever its HTTP library does
            reason = (str(error).splitlines() or [""])[0]
            raise RequestError(
                f"{repo}/{config} ({split}) could not be read from the Hugging Face hub, "
                f"no network or not found ({type(error).__name__}: {reason}). "
                "Type data.source=local data.root=DIR or profile=offline; "
                "with a copy in the hub's cache, set HF_HUB_OFFLINE=1."
            ) from error
        self._revision = self._revision or _cached_revision(rows)
        return rows

    def provenance(self) -> dict[str, str]:
        """Return the source and the commit that was read, "unknown" when the cache does not tell."""
        return {"source": "hub", "revision": self._revision or "unknown"}


def _cached_revision(rows: Dataset) -> str | None:
    """Return the commit in the addresses, "hf://datasets/<repo>@<commit>/<file>", that the cache keeps."""
    for address in rows.info.download_checksums or {}:
        if found := re.search(r"@([0-9a-f]{40})/", address):
            return found[1]
    return None
