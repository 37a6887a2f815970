"""Read the weights of a model directory one at a time, and its model as shapes only, without loading it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from frod_bench.backbones.checked_config import on_meta, read_tensors
from frod_bench.errors import RequestError


@dataclass(frozen=True)
class ModelShards:
    """A directory in the layout of `save_pretrained`. Raises RequestError when it is not one."""

    directory: Path

    def model(self) -> PreTrainedModel:
        """Return the sequence classifier of this architecture on the meta device, without weights."""
        if not self.directory.is_dir():
            raise RequestError(f"There is no model directory {self.directory}. Give one that save_pretrained wrote.")
        return on_meta(self.directory, AutoModelForSequenceClassification, head=())

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of every tensor by its name."""
        return {name: file for name, (file, _) in read_tensors(self.directory).items()}

    def read(self, name: str) -> Tensor:
        """Return a tensor by its name in the model, also where a base model was saved without the first part of it."""
        key = next((key for key in (name, name.partition(".")[2]) if key in self.files), None)
        if key is None:
            raise RequestError(f"The weights in {self.directory} hold no {name}, so they are of another architecture.")
        with safe_open(self.files[key], framework="pt") as shard:
            return shard.get_tensor(key)


@dataclass(frozen=True)
class LayerWeights(Sequence[Tensor]):
    """The weights W [m, n] of some layers, each read anew at every access.

    `transposed` says for every layer whether to transpose its tensor: a `Conv1D` of transformers stores W^T.
    """

    shards: ModelShards
    names: list[str]
    transposed: list[bool]
    dtype: torch.dtype
    device: torch.device

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]  # no slices
        weight = self.shards.read(f"{self.names[i]}.weight").to(self.device, self.dtype)
        return weight.T if self.transposed[i] else weight

    def __len__(self) -> int:
        return len(self.names)
