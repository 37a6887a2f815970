"""The three backbones of the paper, built on the meta device: shapes without weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from frod_bench.config.backbones import registered_backbone

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PaperBackbone:
    """A registered backbone as transformers builds it. The head, counted apart, has `classes` classes."""

    name: str
    classes: int
    goat_total: int  # by GOAT's formula for full fine-tuning (its App. H): the denominator of the cited rows

    def parameters(self) -> int:
        """Return the parameters of the backbone, without its head."""
        return self._count(_skeleton(self.name, self.classes), head=False)

    def head(self, classes: int | None = None) -> int:
        """Return the parameters of the head, for its own number of classes or another."""
        return self._count(_skeleton(self.name, classes or self.classes, blocks=1), head=True)

    def layers(self, targets: list[str]) -> list[tuple[int, int, bool]]:
        """Return (m, n, whether there is a bias) of every target layer."""
        from frod_bench.adapters import base_weight
        from frod_bench.methods.support.injection import find_targets

        found = find_targets(_skeleton(self.name, self.classes), targets, registered_backbone(self.name).head)
        shapes = [(*base_weight(layer).shape, layer.bias is not None) for _, layer in found]
        return [(m, n, bias) for m, n, bias in shapes]

    def _count(self, model: nn.Module, head: bool) -> int:
        from frod_bench.module_names import in_matching_module

        suffixes = registered_backbone(self.name).head
        return sum(p.numel() for name, p in model.named_parameters() if in_matching_module(name, suffixes) == head)


@cache
def _skeleton(name: str, classes: int, blocks: int | None = None) -> nn.Module:
    """Return the model with all blocks or so many; a deep one takes a second to build."""
    import torch

    from frod_bench.backbones.skeleton import make_skeleton

    architecture = registered_backbone(name).architecture
    with torch.device("meta"):
        return make_skeleton(architecture.values, classes, blocks or architecture.layers)


PAPER_BACKBONES = {
    "clip_vit_b32": PaperBackbone("clip_vit_b32", 196, 88_715_520),
    "roberta_large": PaperBackbone("roberta_large", 2, 353_780_736),
    "llama2_7b": PaperBackbone("llama2_7b", 2, 5_765_337_088),
}
