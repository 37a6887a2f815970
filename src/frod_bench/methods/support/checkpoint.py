"""The two files of a saved adapter: its tensors and its configuration."""

import errno
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from frod_bench.errors import RequestError
from frod_bench.files import replacing, save_text
from frod_bench.reading import opened, parse_json, read_text

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_OWN_CONFIG = {"method": str, "options": dict, "targets": list, "head": list, "seed": int}
_SEEDS = 2**63  # the range that torch accepts


def write_checkpoint(directory: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Write tensors and configuration into `directory`, each file atomically.

    Raises OSError, with the name of the file, if one cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(directory / _WEIGHTS) as partial:
        try:
            save_file(tensors, partial, metadata={"format": "pt"})
        except SafetensorError as error:  # how the library reports an error of the system
            raise OSError(errno.EIO, str(error)) from error
    save_text(directory / _CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")


def read_checkpoint_tensors(directory: str | Path) -> dict[str, Tensor]:
    """Return the tensors that `write_checkpoint` wrote.

    Raises RequestError if they cannot be read, and for NaN or infinity.
    """
    file = Path(directory) / _WEIGHTS
    try:
        if file.exists():
            with opened(file, links=True):  # safetensors reports an unreadable file as missing
                pass
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise RequestError(f"There is no readable {_WEIGHTS} in {directory}: {error}") from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise RequestError(
                f"{name} in {directory} holds NaN or infinity, as after a run that diverged, so the adapter is"
                " useless. Train it again."
            )
    return tensors


def read_checkpoint_config(directory: str | Path) -> dict[str, Any]:
    """Return the configuration that `write_checkpoint` wrote. Raises RequestError if there is none."""
    try:
        config = parse_json(read_text(Path(directory) / _CONFIG, links=True))
    except (RequestError, ValueError) as error:
        raise RequestError(f"There is no readable {_CONFIG} in {directory}: {error}") from None
    if not (isinstance(config, dict) and (_is_own(config) or "peft_type" in config)):
        raise RequestError(f"{Path(directory) / _CONFIG} describes no adapter of frod-bench or PEFT.")
    return config


def _is_own(config: dict[str, Any]) -> bool:
    """Return whether the configuration is one of ours, complete and with values of the right types."""
    return (
        all(type(config.get(key)) is kind for key, kind in _OWN_CONFIG.items())
        and all(isinstance(name, str) for name in config["targets"] + config["head"])
        and 0 <= config["seed"] < _SEEDS
    )
