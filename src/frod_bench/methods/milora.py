"""MiLoRA: LoRA on the r smallest singular components (Wang et al. 2024, arXiv 2406.09044)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from frod_bench.adapters import base_weight, set_base_weight
from frod_bench.linalg.svd import minor_triplets, stored_singular_factors
from frod_bench.methods.support.peft_method import ADAPTER, PeftLayer
from frod_bench.methods.support.residual_lora import ResidualLora


@dataclass(frozen=True)
class Milora(ResidualLora):
    """A and B start from the smallest singular triplets of W and train; the principal part of W is frozen."""

    name: ClassVar[str] = "milora"

    @torch.no_grad()
    def initialise(self, layers: list[PeftLayer]) -> None:
        """See `ResidualLora.initialise`: s B A is the minor part of W, s = alpha / r shared evenly by B and A."""
        weights = [base_weight(layer.get_base_layer()) for layer in layers]
        parts = stored_singular_factors(weights, [minor_triplets(w.shape, self.rank) for w in weights])
        for layer, weight, (B, A) in zip(layers, weights, parts, strict=True):
            share = layer.scaling[ADAPTER] ** -0.5
            layer.lora_B[ADAPTER].weight.copy_(share * B)
            layer.lora_A[ADAPTER].weight.copy_(share * A)
            set_base_weight(layer.get_base_layer(), weight.float() - B @ A)


METHOD = Milora
