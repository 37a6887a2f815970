"""Whether the weights of a hub backbone can be had: answered in a second, before torch is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from frod_bench.backbones.network import hub_reachable
from frod_bench.errors import RequestError

UNREACHABLE = "the hub cannot be reached"


def require_weights(backbone: Mapping[str, Any]) -> None:
    """Check the `backbone` part of a resolved configuration; backbones that need no hub pass.

    Only presence is checked. Raises RequestError when `path` is no directory, and when the weights are not in the hub
    cache and the hub does not answer.
    """
    if backbone.get("path") is not None:
        if "id" in backbone:
            require_directory(Path(backbone["path"]).expanduser().resolve())
        return
    repositories = backbone.get("facts", {}).get("repositories", {})
    repository = backbone.get("id") or repositories.get(backbone.get("pretrained"))
    if repository is None or cached_directory(repository, backbone.get("revision")) is not None or hub_reachable():
        return
    if backbone["name"].startswith("own/"):
        raise missing_own_model(repository, UNREACHABLE)
    raise missing_model(repository, UNREACHABLE) if "id" in backbone else missing_file(repository, UNREACHABLE)


def require_directory(directory: Path) -> None:
    """Raise RequestError unless the model directory is there."""
    if not directory.is_dir():
        raise RequestError(f"There is no model directory {directory}. Give one that save_pretrained wrote.")


def missing_model(repository: str, reason: str) -> RequestError:
    """Return the refusal for a model of transformers that cannot be had."""
    return RequestError(
        f"The backbone {repository} is not on this machine and {reason}. Give a local copy with "
        f"backbone.path=DIR (a save_pretrained directory), or take the packaged one: profile=offline."
    )


def missing_own_model(name: str, reason: str) -> RequestError:
    """Return the refusal for a user's own model that is neither a directory nor to be had from the hub."""
    return RequestError(
        f"backbone.id={name} is no directory below {Path.cwd()}, and a model of that name is not in the hub's cache"
        f" and {reason}. Type backbone.id=DIR, a directory that save_pretrained wrote."
    )


def missing_file(repository: str, reason: str) -> RequestError:
    """Return the refusal for CLIP weights that cannot be had."""
    return RequestError(
        f"The weights {repository} are not on this machine and {reason}. Give a local copy with backbone.path=FILE, or"
        " take the packaged one: profile=offline."
    )


def cached_directory(repository: str, revision: str | None) -> Path | None:
    """Return the folder of a repository in the hub cache, None if it is not there."""
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except Exception:  # absent, or a name that the client refuses; the download will say which
        return None
