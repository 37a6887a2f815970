"""The files of a model directory, read without torch: their digest, config.json and the number of weights."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, cast

from frod_bench.disk_cache import cache_folder
from frod_bench.errors import RequestError
from frod_bench.files import save_text
from frod_bench.reading import opened, parse_json, read_text

AUTO = "auto"  # for targets and head: find them in the model
PREPROCESSING = "preprocessor_config.json"
WEIGHTS = "model*.safetensors"
# what a run reads of a directory; a README or a training log beside the model makes it no other one
_READ = (
    *("config.json", WEIGHTS, "model.safetensors.index.json", PREPROCESSING, "tokenizer*.json", "vocab.*", "*.model"),
    *("merges.txt", "added_tokens.json", "special_tokens_map.json"),
)
_SETTLED_S = 2.0  # a file changed more recently may change again within the resolution of its time
_HEADER = 2**27  # bytes of the header of a file of safetensors


def model_fingerprint(directory: Path) -> str:
    """Return 16 hex digits of the sha256 of the names and contents of the files that a run reads from a directory.

    Digests of large files are cached by the file's time, size and number, so that a run can be skipped in no time.
    Raises RequestError for a file that cannot be read, and for a directory without weights.
    """
    files = sorted({file for pattern in _READ for file in directory.glob(pattern)})
    if not any(file.match(WEIGHTS) for file in files):
        raise RequestError(f"There is no {WEIGHTS} in {directory}. Give what save_pretrained wrote, as safetensors.")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{_digest(file)}\n".encode())
    return digest.hexdigest()[:16]  # tables print it


def _digest(file: Path) -> str:
    """Return the sha256 of a file, from the cache if the same file was read before."""
    with opened(file, links=True) as stream:
        status = os.fstat(stream.fileno())
        times = (status.st_mtime_ns, status.st_ctime_ns)
        key = json.dumps([str(file.resolve()), status.st_dev, status.st_ino, status.st_size, *times])
        entry = cache_folder("digests") / hashlib.sha256(key.encode()).hexdigest()
        with suppress(RequestError):
            if len(stored := read_text(entry)) == 64:
                return stored
        found = hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()
    if time.time() - max(times) / 1e9 > _SETTLED_S:
        with suppress(OSError):  # a cache that cannot be written costs time alone
            entry.parent.mkdir(parents=True, exist_ok=True)
            save_text(entry, found)
    return found


def model_config(directory: Path) -> dict[str, Any]:
    """Return the content of config.json. Raises RequestError where there is none."""
    try:
        content = parse_json(read_text(directory / "config.json", links=True))
    except ValueError as error:
        raise RequestError(f"{directory}/config.json cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise RequestError(f"{directory}/config.json describes no model. Give what save_pretrained wrote.")
    return dict(content)


def count_weights(directory: Path) -> int:
    """Return how many numbers the weight files hold, by their headers. Raises RequestError for a broken header."""
    return sum(prod(shape) for file in directory.glob(WEIGHTS) for shape in _shapes(file))


def _shapes(file: Path) -> list[list[int]]:
    """Return the shapes in a file of safetensors: eight bytes with the length of a JSON header, then the header."""
    try:
        with opened(file, links=True) as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, _HEADER)))
        return [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise RequestError(f"The weights {file} cannot be read: their header is broken.") from error
