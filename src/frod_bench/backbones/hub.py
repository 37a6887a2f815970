"""A backbone from the Hugging Face hub or from a local directory in the same layout."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from frod_bench.backbones.availability import UNREACHABLE, cached_directory, missing_model
from frod_bench.backbones.directory import Loading, fingerprint
from frod_bench.backbones.directory_backbone import DirectoryBackbone
from frod_bench.backbones.network import hub_reachable
from frod_bench.errors import RequestError

FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]


@dataclass
class HubBackbone(DirectoryBackbone):
    """A model repository `id` of the hub at `revision`, or the same files in the local directory `path`.

    Reads safetensors weights only and runs no code of the repository. `dtype`, `attention` and
    `gradient_checkpointing` are those of `directory.Loading`.
    """

    name: str
    id: str
    targets: list[str]
    head: list[str]
    revision: str | None = None
    path: str | None = None
    dtype: str = "float32"
    attention: str | None = None
    gradient_checkpointing: bool = False
    facts: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loading = Loading(self.dtype, self.attention, self.gradient_checkpointing)

    def provenance(self) -> dict:
        """Return the hub id with the commit that was loaded, or the local directory with its sha256."""
        if self.path is not None:
            return {"source": "local", "id": self.path, "fingerprint": fingerprint(self.directory)}
        return {"source": "hub", "id": self.id, "revision": self.directory.name}

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine."""
        return self.path is not None or cached_directory(self.id, self.revision) is not None

    @cached_property
    def directory(self) -> Path:
        """The local directory `path`, or the snapshot in the hub cache, downloaded if missing.

        Raises RequestError when the hub does not answer, does not have the repository, or requires a login.
        """
        if self.path is not None:
            return Path(self.path).expanduser().resolve()
        reachable = hub_reachable()
        try:
            return Path(
                snapshot_download(self.id, revision=self.revision, allow_patterns=FILES, local_files_only=not reachable)
            )
        except GatedRepoError as error:
            raise RequestError(
                f"The hub wants a login for {self.id}: accept its licence there and type `hf auth login`, "
                f"or give a local copy with backbone.path=DIR."
            ) from error
        except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
            at = f" at revision {self.revision}" if self.revision else ""
            raise RequestError(
                f"The hub has no model {self.id}{at}. Check backbone.id and backbone.revision, "
                f"or give a local copy with backbone.path=DIR."
            ) from error
        except Exception as error:  # the client's HTTP library, and so its errors, differ between versions
            reason = f"its download broke off ({type(error).__name__})" if reachable else UNREACHABLE
            raise missing_model(self.id, reason) from error
