"""What the configuration of a user's own model holds beyond what was typed: where its files lie, and their digest."""

from pathlib import Path
from typing import Any

from frod_bench.backbones.architecture import described
from frod_bench.backbones.availability import cached_directory, require_directory
from frod_bench.backbones.model_files import count_weights, model_config, model_fingerprint
from frod_bench.errors import RequestError


def is_own(backbone: dict[str, Any]) -> bool:
    """Return whether a backbone's configuration is that of a user's own model."""
    return "fingerprint" in backbone


def with_own_model(resolved: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the place, digest and shapes of a user's own model; others are left as they are.

    A directory is named by the digest of its files. Raises RequestError without a model, and for a directory that
    holds none.
    """
    backbone = resolved["backbone"]
    if not is_own(backbone):
        return resolved
    name, path = backbone["id"], backbone["path"]
    for key, value in (("id", name), ("path", path)):
        if not isinstance(value, str | None) or (value is not None and (not value.strip() or "\0" in value)):
            raise RequestError(f"backbone.{key}={value} is not accepted: a name on the hub, or a directory.")
    if name is None and path is None:
        raise RequestError(
            f"backbone={backbone['name']} needs a model: add backbone.id=NAME, as on the hub, or backbone.id=DIR, a"
            " directory that save_pretrained wrote."
        )
    if path is None and _is_place(name):
        path = name
    if path is None:
        known = _facts(cached_directory(name, backbone["revision"])) or backbone["facts"]
        return resolved | {"backbone": backbone | {"facts": known}}
    directory = Path(path).expanduser().resolve()
    require_directory(directory)
    found = {"id": None, "path": str(directory), "fingerprint": model_fingerprint(directory)}
    return resolved | {"backbone": backbone | found | {"facts": _facts(directory)}}


def _is_place(name: str) -> bool:
    """Return whether a name is that of a directory, as it is for transformers, or can be nothing else."""
    return Path(name).expanduser().is_dir() or name.startswith(("/", ".", "~")) or name.count("/") > 1


def _facts(directory: Path | None) -> dict[str, Any]:
    """Return the number of weights and the shapes of a model directory, as far as they are known."""
    if directory is None or not (directory / "config.json").is_file():
        return {}
    return {"parameters": count_weights(directory), "architecture": described(model_config(directory))}
