"""Rows from the Hugging Face hub or its local cache."""

import re
from pathlib import Path

from datasets import Dataset, Features, load_dataset
from huggingface_hub import HfApi, is_offline_mode, snapshot_download

from frod_bench.errors import RequestError

_PROBE_S = 10
_OTHERWISE = "Type data.source=local data.root=DIR or profile=offline"
_CONVERTED = "refs/convert/parquet"  # the branch on which the hub keeps the rows of a data set as parquet files


class HubSource:
    """Read each data set of the hub at one commit, the newest when its first split is read.

    With HF_HUB_OFFLINE=1, reads the cache only. A data set published as a script, which `datasets` does not run, is
    read from the hub's own parquet copy.
    """

    def __init__(self, otherwise: str = _OTHERWISE) -> None:
        """`otherwise` says what to type where the hub does not have the rows."""
        self._otherwise = otherwise
        self._commits: dict[str, str | None] = {}
        self._copied: set[str] = set()  # data sets read from the hub's parquet copy

    def read(self, repo: str, config: str, split: str, schema: Features) -> Dataset:
        """Return the rows of one split, with all of its columns.

        Raises `RequestError`, within seconds, when the hub cannot be reached or does not have the rows.
        """
        try:
            return self._copy(repo, config, split) if repo in self._copied else self._published(repo, config, split)
        except Exception as error:  # the hub's client raises whatever its HTTP library does
            reason = (str(error).splitlines() or [""])[0]
            raise RequestError(
                f"{'/'.join(filter(None, (repo, config)))} ({split}) could not be read from the Hugging Face hub, "
                f"no network or not found ({type(error).__name__}: {reason}). "
                f"{self._otherwise}; with a copy in the hub's cache, set HF_HUB_OFFLINE=1."
            ) from error

    def count(self, repo: str, config: str, split: str, schema: Features) -> None:
        """Return None, without asking the hub."""

    def provenance(self) -> dict[str, str]:
        """Return the source and the commit that was read, or "unknown" when the cache does not say.

        With several data sets, each is named with its own commit.
        """
        commits = {repo: commit or "unknown" for repo, commit in self._commits.items()}
        each = ", ".join(f"{repo}@{commit}" for repo, commit in commits.items())
        return {"source": "hub", "revision": each if len(commits) > 1 else next(iter(commits.values()))}

    def _published(self, repo: str, config: str, split: str) -> Dataset:
        commit = self._commits.get(repo)
        if commit is None and not is_offline_mode():
            # One short request first: without a network, load_dataset retries for half a minute.
            commit = HfApi().dataset_info(repo, timeout=_PROBE_S).sha
        try:
            # With the scheme, a local directory of the same name, below the working directory, is not read instead.
            rows = load_dataset(f"hf://datasets/{repo}", config, split=split, revision=commit)
        except Exception as error:
            if not is_offline_mode() and "scripts are no longer supported" not in str(error):
                raise
            try:
                return self._copy(repo, config, split)
            except Exception:
                raise error from None
        self._commits[repo] = commit or _cached_commit(rows)
        return rows

    def _copy(self, repo: str, config: str, split: str) -> Dataset:
        commit = self._commits.get(repo, _CONVERTED)
        files = f"{config}/{split}/*.parquet"
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=commit, allow_patterns=files))
        rows = Dataset.from_parquet([str(file) for file in sorted(folder.glob(files))])
        self._commits[repo] = folder.name
        self._copied.add(repo)
        return rows


def _cached_commit(rows: Dataset) -> str | None:
    """Return the commit in the URLs, "hf://datasets/<repo>@<commit>/<file>", that the cache stores, or None."""
    for address in rows.info.download_checksums or {}:
        if found := re.search(r"@([0-9a-f]{40})/", address):
            return found[1]
    return None
