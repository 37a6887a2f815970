"""LoRA on some singular components of the weight: W = W_res + s B_0 A_0 with s = alpha / r, and B, A train.

The base layers hold W_res while the adapter is attached. W itself is kept in host memory, one extra copy of every
adapted weight, so that `detach` restores it bit for bit.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from peft import LoraConfig
from torch import Tensor, nn

from frod_bench.adapters import base_weight
from frod_bench.errors import RequestError
from frod_bench.methods.lora import Lora
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import WEIGHT, Sketch, computed_sketch, weight_sketch
from frod_bench.methods.support.injection import find_targets, require_finite
from frod_bench.methods.support.peft_method import (
    ADAPTER,
    PeftLayer,
    adapter_state,
    peft_names,
    tuner_layers,
    write_peft_checkpoint,
)
from frod_bench.methods.support.wrappers import submodule
from frod_bench.methods.support.zero_gradient import all_zero, report_zero_gradient


@dataclass(frozen=True)
class ResidualLora(Lora):
    """Base of methods that start A [r, n] and B [m, r] from a part of W, which a subclass chooses."""

    start_error: ClassVar[float] = 1e-5  # W_res + s B A is W to rounding
    low_rank_update: ClassVar[bool] = False  # W' - W has the start of s B A too
    draws: ClassVar[bool] = False

    def initialise(self, layers: list[PeftLayer]) -> None:
        """Set A, B and W_res in PEFT's layers, whose base layers hold W; not needed if PEFT has done so."""

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `Method.attach`. Raises RequestError for a rank above min(m, n) of a target layer."""
        layers = dict(find_targets(model, targets, head))
        require_finite(layers.items())
        for name, layer in layers.items():
            if self.rank > min(layer.weight.shape):
                raise RequestError(
                    f"method.rank={self.rank} is not accepted: {name} is {list(base_weight(layer).shape)} and has"
                    f" {min(layer.weight.shape)} singular values."
                )
        weights = {name: layer.weight.detach().cpu() for name, layer in layers.items()}
        adapted = super().attach(model, targets, head, seed)
        self.initialise([layer for _, layer in tuner_layers(model)])
        factors = {name: _factors(layer) for name, layer in tuner_layers(model)}
        report_zero_gradient(adapted, [name for name, pair in factors.items() if all_zero(*pair)])
        adapted.state.kept = {name: (weights[name], *pair) for name, pair in factors.items()}
        return adapted

    def detach(self, adapted: Adapted) -> None:
        """See `Method.detach`."""
        super().detach(adapted)
        for name, (weight, _, _) in adapted.state.kept.items():
            base = submodule(adapted.model, name)
            base.weight.data = weight.to(base.weight.device, base.weight.dtype)

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: every W, and W_res, which is not saved but computed again."""
        sketches = {name: computed_sketch(layer.get_base_layer().weight) for name, layer in tuner_layers(adapted.model)}
        return sketches | {
            f"{name}{WEIGHT}": weight_sketch(weight) for name, (weight, _, _) in adapted.state.kept.items()
        }

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """Write W' - W = s (B A - B_0 A_0) as a plain LoRA of rank 2 r over W, which PEFT loads as it is."""
        tensors = adapter_state(adapted)
        for name, (_, B, A) in adapted.state.kept.items():
            for factor, start, axis in (("A", A, 0), ("B", -B, 1)):
                key = f"{name}.lora_{factor}.{ADAPTER}.weight"
                tensors[key] = torch.cat([tensors[key], start.to(tensors[key])], dim=axis)
        config = LoraConfig(
            r=2 * self.rank,
            lora_alpha=2 * self.alpha,  # type: ignore[arg-type]  # PEFT takes a float
            target_modules=list(adapted.state.kept),
        )
        config.exclude_modules = adapted.state.tuner.peft_config[ADAPTER].exclude_modules
        write_peft_checkpoint(directory, adapted, peft_names(tensors), config)


def _factors(layer: PeftLayer) -> tuple[Tensor, Tensor]:
    B, A = (factor[ADAPTER].weight.detach().cpu().clone() for factor in (layer.lora_B, layer.lora_A))
    return B, A
