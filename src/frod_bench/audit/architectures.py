"""The three backbones of the paper as shapes: their models on the meta device, without a weight."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaModel, RobertaConfig, RobertaModel

from frod_bench.methods.injection import find_targets


@dataclass(frozen=True)
class Architecture:
    """A backbone without its head; `classes` belong to the head that is counted beside it."""

    build: Callable[[], nn.Module]
    classes: int
    head: Callable[[int], int]  # classes: parameters
    goat_total: int  # what GOAT's formula for full fine-tuning gives (App. H), the denominator of the cited rows

    def parameters(self) -> int:
        """Return the parameters of the backbone."""
        return sum(p.numel() for p in self._model().parameters())

    def layers(self, targets: list[str]) -> list[tuple[int, int, bool]]:
        """Return (m, n, whether there is a bias) of every target layer."""
        found = find_targets(self._model(), targets, [])
        return [(*layer.weight.shape, layer.bias is not None) for _, layer in found]

    def _model(self) -> nn.Module:
        with torch.device("meta"):
            return self.build()


def _clip() -> nn.Module:
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=32
        )
    )


def _roberta() -> nn.Module:
    config = RobertaConfig(
        vocab_size=50265,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    return RobertaModel(config, add_pooling_layer=False)


def _llama() -> nn.Module:
    return LlamaModel(
        LlamaConfig(
            vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
        )
    )


ARCHITECTURES = {
    "clip_vit_b32": Architecture(_clip, 196, lambda k: 768 * k + k, 88_715_520),
    "roberta_large": Architecture(_roberta, 2, lambda k: 1024 * 1024 + 1024 + 1024 * k + k, 353_780_736),
    "llama2_7b": Architecture(_llama, 2, lambda k: 4096 * k, 5_765_337_088),
}
