"""The three backbones of the paper as shapes: their models on the meta device, without a weight."""

from dataclasses import dataclass

import torch
from torch import nn

from frod_bench.backbones.skeleton import make_skeleton
from frod_bench.config.backbones import registered_backbone
from frod_bench.methods.support.injection import find_targets
from frod_bench.module_names import in_matching_module


@dataclass(frozen=True)
class PaperBackbone:
    """A registered backbone as transformers builds it; `classes` belong to the head that is counted beside it."""

    name: str
    classes: int
    goat_total: int  # what GOAT's formula for full fine-tuning gives (App. H), the denominator of the cited rows

    def parameters(self) -> int:
        """Return the parameters of the backbone, without its head."""
        return self._count(self._model(self.classes), head=False)

    def head(self, classes: int | None = None) -> int:
        """Return the parameters of the head, for its own number of classes or another."""
        return self._count(self._model(classes or self.classes), head=True)

    def layers(self, targets: list[str]) -> list[tuple[int, int, bool]]:
        """Return (m, n, whether there is a bias) of every target layer."""
        found = find_targets(self._model(self.classes), targets, registered_backbone(self.name).head)
        return [(*layer.weight.shape, layer.bias is not None) for _, layer in found]

    def _count(self, model: nn.Module, head: bool) -> int:
        suffixes = registered_backbone(self.name).head
        return sum(p.numel() for name, p in model.named_parameters() if in_matching_module(name, suffixes) == head)

    def _model(self, classes: int) -> nn.Module:
        architecture = registered_backbone(self.name).architecture
        with torch.device("meta"):
            return make_skeleton(architecture.values, classes, architecture.layers)


PAPER_BACKBONES = {
    "clip_vit_b32": PaperBackbone("clip_vit_b32", 196, 88_715_520),
    "roberta_large": PaperBackbone("roberta_large", 2, 353_780_736),
    "llama2_7b": PaperBackbone("llama2_7b", 2, 5_765_337_088),
}
