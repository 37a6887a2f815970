"""PiSSA: LoRA on the r largest singular components (Meng et al. 2024, arXiv 2404.02948), by PEFT."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from peft import LoraConfig
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.injection import find_targets
from frod_bench.methods.support.residual_lora import ResidualLora


@dataclass(frozen=True)
class Pissa(ResidualLora):
    """A and B start from the largest singular triplets of W and train; the rest of W is frozen.

    iterations=0 decomposes exactly. Above 0 it is the number of subspace iterations of a randomised decomposition,
    which is faster and depends on the seed and the device.
    """

    name: ClassVar[str] = "pissa"
    iterations: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.iterations < 0:
            raise RequestError(f"method.iterations={self.iterations} is not accepted: a whole number of 0 or more.")

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `ResidualLora.attach`. Raises RequestError for weights in float64, which PEFT does not decompose."""
        for name, layer in find_targets(model, targets, head):
            if layer.weight.dtype == torch.float64:
                raise RequestError(f"The weight of {name} is in float64; PiSSA takes float32 and below: model.float().")
        return super().attach(model, targets, head, seed)

    def peft_config(self, targets: list[str], seed: int) -> LoraConfig:
        """See `PeftMethod.peft_config`."""
        config = super().peft_config(targets, seed)
        if self.iterations:
            config.init_lora_weights = f"pissa_niter_{self.iterations}"  # type: ignore[assignment]  # as PEFT reads it
        else:
            config.init_lora_weights = "pissa"
        return config


METHOD = Pissa
