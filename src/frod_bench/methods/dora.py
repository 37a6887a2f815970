"""DoRA: W' = diag(mu / ||V||) V with V = W + (alpha / r) B A (Liu et al. 2024, arXiv 2402.09353, Eq. 5), by PEFT.

||.|| is the norm of each row and a constant in the gradient (section 4.3).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from peft import LoraConfig
from torch import nn

from frod_bench.adapters import base_weight
from frod_bench.errors import RequestError
from frod_bench.linalg.shapes import has_data
from frod_bench.methods.lora import Lora
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.injection import find_targets
from frod_bench.methods.support.peft_method import ADAPTER, tuner_layers
from frod_bench.ops import cost


@dataclass(frozen=True)
class Dora(Lora):
    """The magnitudes mu [m] start at the norms of the rows of W and train with A [r, n] and B [m, r]."""

    name: ClassVar[str] = "dora"
    low_rank_update: ClassVar[bool] = False
    quantised: ClassVar[bool] = False
    start_error: ClassVar[float] = 1e-6  # bit-for-bit, but only to rounding after a cast to half precision

    def peft_config(self, targets: list[str], seed: int) -> LoraConfig:
        """See `PeftMethod.peft_config`."""
        config = super().peft_config(targets, seed)
        config.use_dora = True
        return config

    @torch.no_grad()
    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. Raises RequestError for a weight with a row of zeros, which has no direction."""
        for name, layer in find_targets(model, targets, head):
            if has_data(layer.weight) and not base_weight(layer).any(dim=1).all():
                raise RequestError(f"The weight of {name} has a row of zeros, which DoRA cannot normalise.")
        adapted = super().attach(model, targets, head, seed)
        for _, layer in tuner_layers(model):  # PEFT rounds mu to the dtype of W, so that mu / ||V|| != 1
            magnitude = layer.lora_magnitude_vector[ADAPTER].weight
            magnitude.copy_(torch.linalg.norm(base_weight(layer.get_base_layer()).to(magnitude.dtype), dim=1))
        return adapted

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return r (m + n) + m summed over the target layers."""
        return super().trainable_parameters(shapes) + sum(m for m, _ in shapes)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: LoRA's, and B A once per step for the norms."""
        return super().multiply_adds(shapes, tokens) + sum(
            cost.low_rank_weight(m, n, self.rank) / tokens for m, n in shapes
        )


METHOD = Dora
