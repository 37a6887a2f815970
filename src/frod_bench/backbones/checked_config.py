"""Check the `config.json` of a model directory against the weights beside it.

A configuration may come from anybody, and libraries build whatever it says, be it ten million layers or heads of
negative width, and fail late and in many ways. So its numbers are first bounded by the tensors in the files, and the
model is built on the meta device, which takes no memory, before it is built for real.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from frod_bench.backbones.base import silence_transformers
from frod_bench.errors import RequestError
from frod_bench.module_names import in_matching_module
from frod_bench.reading import parse_json, read_text

# keys of numbers of parts that a library creates one by one
AutoClass = type[AutoModelForCausalLM | AutoModelForSequenceClassification | AutoModelForImageClassification]
_COUNTS = re.compile(r"(layers?|heads?|labels|experts?|blocks?|depths?|groups)$")
_LARGEST = 4  # times the numbers in the files, which may be packed, two to a byte
_INDEX = "model.safetensors.index.json"


def read_tensors(directory: Path) -> dict[str, tuple[Path, list[int]]]:
    """Return the file and the shape of every tensor in a model directory, reading only the headers of files.

    Raises RequestError when a file cannot be read, or when the index of a sharded model names a file elsewhere.
    """
    found: dict[str, tuple[Path, list[int]]] = {}
    for file in sorted(directory.glob("model*.safetensors")):
        try:
            with safe_open(file, framework="pt") as shard:
                names = shard.keys()
                found |= {name: (file, shard.get_slice(name).get_shape()) for name in names}
        except (OSError, SafetensorError) as error:
            raise RequestError(f"The weights {file} cannot be read: {error}") from error
    if not found:
        raise RequestError(f"There is no model*.safetensors in {directory}. Give what save_pretrained wrote.")
    _check_index(directory)
    return found


def read_config(directory: Path) -> PreTrainedConfig:
    """Return the configuration of a model directory. Raises RequestError for one that does not fit the files."""
    content = _read_json(directory / "config.json")
    shapes = [shape for _, shape in read_tensors(directory).values()]
    if "auto_map" in content and content.get("model_type") not in CONFIG_MAPPING:
        raise RequestError(
            f"The model in {directory} needs code of its own ({content['auto_map']} in config.json), which is not run"
            " here. Give a model whose architecture transformers has."
        )
    _check_values(content, max(len(shapes), *(max(shape, default=1) for shape in shapes)), directory)
    try:
        with silence_transformers():
            return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except Exception as error:  # architectures check their values in different ways
        raise _unusable(directory, error) from error


def on_meta(directory: Path, auto: AutoClass, head: Sequence[str], **values: Any) -> PreTrainedModel:
    """Return the model of a directory on the meta device.

    `values` override those of the configuration. Raises RequestError when no model can be built, and when the model
    without its `head` is much larger than the weights in the files.
    """
    config = read_config(directory)
    try:
        with silence_transformers(), torch.device("meta"):
            for name, value in values.items():
                setattr(config, name, value)
            model = auto.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise _unusable(directory, error) from error
    wanted = sum(p.numel() for name, p in model.named_parameters() if not in_matching_module(name, head))
    held = sum(torch.Size(shape).numel() for _, shape in read_tensors(directory).values())
    if wanted > _LARGEST * held:
        raise RequestError(
            f"{directory}/config.json describes a model of {wanted:,} numbers and the files beside it hold {held:,}, so"
            " they do not belong together. Give a complete checkpoint."
        )
    return model


def _check_values(content: Any, most: int, directory: Path) -> None:
    """Raise RequestError for a count below 1 or above `most`, and for external code, anywhere in the configuration."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            waiting.append(value)
            if key.endswith("_implementation") and "/" in str(value):  # the library would download and run it
                raise RequestError(f"{directory}/config.json asks for external code ({key}={value}). Remove that key.")
            numbers = value if isinstance(value, list) else [value]
            for number in numbers if _COUNTS.search(key) else []:
                if type(number) in (int, float) and not 1 <= number <= most:
                    raise RequestError(
                        f"{directory}/config.json has {key}={number}, which does not fit the files beside it:"
                        f" accepted, 1 to {most:,}. Give a complete checkpoint."
                    )


def _check_index(directory: Path) -> None:
    if (directory / "model.safetensors").exists() or not (directory / _INDEX).exists():
        return
    files = _read_json(directory / _INDEX).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise RequestError(f"{directory}/{_INDEX} has no weight_map of names and files. Give a complete checkpoint.")
    for file in files.values():
        if not isinstance(file, str) or Path(file).name != file or not (directory / file).is_file():
            raise RequestError(
                f"{directory}/{_INDEX} names the file {file!r}, which is not in that directory. Give a complete"
                " checkpoint."
            )


def _read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises RequestError when there is none."""
    try:
        content = parse_json(read_text(file, limit=2**24, links=True))
    except ValueError as error:
        raise RequestError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RequestError(f"{file} cannot be read: it holds no JSON object but {type(content).__name__}.")
    return content


def _unusable(directory: Path, error: Exception) -> RequestError:
    reason = next(iter(str(error).strip().splitlines()), "")
    return RequestError(
        f"The model in {directory} cannot be read: nothing can be built from its config.json"
        f" ({type(error).__name__}: {reason}). Give a complete checkpoint."
    )
