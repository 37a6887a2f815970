"""QLoRA: LoRA on a base in four bits (Dettmers et al. 2023, arXiv 2305.14314, Eq. 5), by PEFT and bitsandbytes."""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from frod_bench.adapters import set_base_weight
from frod_bench.adapters.nf4 import NF4_ERROR, Nf4Linear
from frod_bench.methods.lora import Lora
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import Sketch, weight_sketch
from frod_bench.methods.support.injection import find_targets, replace_module
from frod_bench.methods.support.peft_method import ADAPTER, tuner_layers
from frod_bench.methods.support.wrappers import named_modules, submodule


@dataclass(frozen=True)
class QLora(Lora):
    """Target layers are NF4 with double quantisation, all others unchanged; computes in train.precision.

    The base layers are kept in host memory, one extra copy of every adapted weight. `merge` makes layers in the dtype
    of the base that hold the dequantised weight plus the update.
    """

    name: ClassVar[str] = "qlora"
    low_rank_update: ClassVar[bool] = False  # it has the rounding of W too
    start_error: ClassVar[float] = NF4_ERROR  # the base with its weights rounded

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`."""
        four_bit = {name: Nf4Linear(layer) for name, layer in find_targets(model, targets, head)}
        for name, layer in four_bit.items():
            replace_module(model, name, layer)
        return super().attach(model, targets, head, seed)

    @torch.no_grad()
    def merge(self, adapted: Adapted) -> None:
        """See `Method.merge`."""
        weights = {
            name: layer.get_base_layer().dense().float() + layer.get_delta_weight(ADAPTER).float()
            for name, layer in tuner_layers(adapted.model)
        }
        self.detach(adapted)
        for name, weight in weights.items():
            set_base_weight(cast(nn.Linear, submodule(adapted.model, name)), weight)

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        super().detach(adapted)
        for name, layer in list(named_modules(adapted.model)):
            if isinstance(layer, Nf4Linear):
                replace_module(adapted.model, name, layer.restored_base())

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: the weights before quantisation, which differs between devices."""
        layers = tuner_layers(adapted.model)
        return {name: weight_sketch(layer.get_base_layer().offloaded.weight) for name, layer in layers}


METHOD = QLora
