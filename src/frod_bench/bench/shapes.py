"""The backbones that the benchmarks time. Their weights are random: speed and memory depend on shapes alone."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from frod_bench.backbones.skeleton import make_skeleton
from frod_bench.bench.names import SHAPES
from frod_bench.config.backbones import RegisteredBackbone, registered_backbone

_CLASSES = 10
_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@dataclass(frozen=True)
class TimedBackbone:
    """A registered backbone, which can be built with fewer blocks and with widths divided by `narrow`."""

    backbone: RegisteredBackbone
    batch: int
    length: int | None  # tokens a row; None where the input is an image

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def layers(self) -> int:
        return self.backbone.architecture.layers

    @property
    def targets(self) -> list[str]:
        return self.backbone.targets

    @property
    def head(self) -> str:
        (name,) = self.backbone.head
        return name

    def build(self, layers: int, dtype: torch.dtype, device: torch.device, narrow: int = 1) -> nn.Module:
        """Return the model with the same random weights every time, without dropout."""
        values = dict(self.backbone.architecture.narrowed(narrow).values)
        if "bert" in values["model_type"]:
            values |= _NO_DROPOUT
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            with torch.device(device):
                model: nn.Module = make_skeleton(values, _CLASSES, layers)
                return model.to(dtype)

    def inputs(self, batch: int, length: int | None, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
        """Return a batch of random inputs and labels."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(_CLASSES, (batch,), generator=generator)
        if length is None:
            size = self.backbone.architecture.values["image_size"]
            inputs = {"pixel_values": torch.randn(batch, 3, size, size, generator=generator).to(dtype)}
        else:
            inputs = {"input_ids": torch.randint(5, 1000, (batch, length), generator=generator)}
        return {name: tensor.to(device) for name, tensor in (inputs | {"labels": labels}).items()}

    def tokens(self, batch: int, length: int | None) -> int:
        """Return how many tokens a layer sees in a step."""
        per_row = self.backbone.architecture.tokens if length is None else length
        if per_row is None:
            raise ValueError(f"{self.name} reads text: a row needs a length")
        return batch * per_row


def timed_backbone(name: str) -> TimedBackbone:
    """Return a backbone with its default batch and length."""
    return TimedBackbone(registered_backbone(name), *SHAPES[name])
