"""A disk cache of decompositions, so that many runs on one backbone compute them once.

An entry is a safetensors file, named by a hash of the weights and the options. It is written atomically, read under
the same lock, and discarded if its checksum does not match or its tensors do not decompose the weights.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frod_bench.console import say
from frod_bench.disk_cache import cache_folder, exclusively, say_not_kept, say_unreadable
from frod_bench.errors import RunFailure
from frod_bench.files import replacing
from frod_bench.linalg.shapes import has_data

Tensors = dict[str, Tensor]

_CHECKSUM = "xxh3_128"


def cache_directory() -> Path:
    """Return the folder of the entries."""
    return cache_folder("decompositions")


def entry_key(weights: Sequence[Tensor], options: str) -> str:
    """Return 32 hex digits of the content, shape and dtype of every weight and of the options."""
    digest = xxhash.xxh3_128(options.encode())
    for weight in weights:
        digest.update(f"{tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(_bytes(weight))
    return digest.hexdigest()


def stored(
    weights: Sequence[Tensor],
    options: str,
    compute: Callable[[], Tensors],
    fits: Callable[[Tensors], bool],
    must_keep: bool = False,
) -> Tensors:
    """Return the tensors that `compute()` makes of the weights, from the disk if they are there.

    Weights without values have nothing to hash, so their result is not stored. See `cached` for `fits` and `must_keep`.
    """
    return cached(entry_key(weights, options), compute, fits, must_keep) if has_data(weights[0]) else compute()


def cached(
    key: str, compute: Callable[[], Tensors], fits: Callable[[Tensors], bool], must_keep: bool = False
) -> Tensors:
    """Return the tensors stored under `key`; if there are none, those of `compute()`, which are then stored.

    Processes that ask for the same key at the same time wait for the one that computes. A damaged entry is computed
    again, and so is one that `fits` rejects, by returning False or raising KeyError for a missing tensor. If the entry
    cannot be written, a warning is printed; with `must_keep`, RunFailure is raised instead.
    """
    file = cache_directory() / f"{key}.safetensors"
    with exclusively(file) as hindrance:
        tensors = _read(file)
        if tensors is not None and not _fits(fits, tensors):
            say(f"{file} does not hold the decomposition of these weights. It is computed again.", sys.stderr)
            tensors = None
        if tensors is None:
            tensors = compute()
            problem = hindrance or _write(file, tensors)
            if problem and must_keep:
                raise RunFailure(
                    f"{file} cannot be written, and what was computed is lost; is the disk full? Make room, or let"
                    " FROD_BENCH_CACHE name another folder. The same command finds what was kept before."
                )
            if problem:
                say_not_kept(file, problem)
        return tensors


def _fits(fits: Callable[[Tensors], bool], tensors: Tensors) -> bool:
    try:
        return all(t.isfinite().all() for t in tensors.values()) and fits(tensors)
    except (KeyError, RuntimeError):  # a tensor is missing or has another shape
        return False


def _read(file: Path) -> Tensors | None:
    try:
        file.open("rb").close()  # safetensors reports an unreadable file as missing
        with safe_open(file, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
            wanted = (stored.metadata() or {}).get(_CHECKSUM)
    except PermissionError as error:
        say_unreadable(file, error)
        return None
    except (OSError, SafetensorError):
        return None
    return tensors if wanted == _checksum(tensors) else None


def _write(file: Path, tensors: Tensors) -> Exception | None:
    """Store the tensors; return the error if they cannot be stored, else None."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with replacing(file) as made:
            save_file(tensors, made, metadata={_CHECKSUM: _checksum(tensors)})
    except (OSError, SafetensorError) as error:
        return error
    return None


def _checksum(tensors: Tensors) -> str:
    digest = xxhash.xxh3_128()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(_bytes(tensors[name]))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
