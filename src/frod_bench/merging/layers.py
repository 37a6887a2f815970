"""Tensors by name in files, read and written one at a time, so that no model has to fit into memory twice."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from frod_bench.files import replacing, save_text

_INDEX = "model.safetensors.index.json"
_SHARD_BYTES = 2**30


class LayerFiles:
    """A folder with a file for each tensor."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.folder = folder
        self._files: dict[str, Path] = {}

    def write(self, name: str, tensor: Tensor) -> None:
        """Write a tensor under its name."""
        self._files[name] = file = self.folder / f"{len(self._files):05d}.safetensors"
        with replacing(file) as partial:
            save_file({name: tensor.detach().cpu().contiguous()}, partial)

    def read(self, name: str) -> Tensor:
        """Return a tensor that was written."""
        with safe_open(self._files[name], framework="pt") as file:
            return file.get_tensor(name)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)


def write_shards(folder: Path, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Write named tensors into shards of about 1 GiB with an index, in the layout of `save_pretrained`."""
    held: dict[str, Tensor] = {}
    places: dict[str, str] = {}
    total, shards = 0, 0

    def flush() -> None:
        nonlocal shards
        shards += 1
        name = f"model-{shards:05d}.safetensors"
        with replacing(folder / name) as partial:
            save_file(held, partial, metadata={"format": "pt"})
        places.update(dict.fromkeys(held, name))
        held.clear()

    for name, tensor in tensors:
        if held and sum(t.nbytes for t in held.values()) + tensor.nbytes > _SHARD_BYTES:
            flush()
        held[name] = tensor.detach().cpu().contiguous()
        total += tensor.nbytes
    if held:
        flush()
    index = {"metadata": {"total_size": total}, "weight_map": places}
    save_text(folder / _INDEX, json.dumps(index, indent=2) + "\n")
