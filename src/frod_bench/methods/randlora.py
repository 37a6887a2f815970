"""RandLoRA: W' = W + s sum_j B_j diag(lambda_j) A diag(gamma_j), full rank from frozen random bases
(Albert et al. 2025, arXiv 2502.00987), by PEFT.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import ClassVar

from peft import RandLoraConfig
from torch import nn

from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import Sketch, computed_sketch
from frod_bench.methods.support.options import check_choice, check_dropout, check_positive, check_whole
from frod_bench.methods.support.peft_method import (
    ADAPTER,
    PeftLayer,
    PeftMethod,
    adapter_state,
    peft_names,
    tuner_layers,
    write_peft_checkpoint,
)
from frod_bench.ops import cost

BASES = ("dense", "sparse", "very_sparse")
SCALINGS = ("peft", "authors")


@dataclass(frozen=True)
class RandLora(PeftMethod):
    """N = ceil(min(m, n) / r) bases per layer; lambda [r, N] starts at zero, gamma [N, min(m, n)] starts constant.

    The bases are drawn on the CPU from the seed, shared by all layers and not saved, as in VeRA. `sparse` and
    `very_sparse` bases hold -1, 0 and 1. scaling=peft: s = alpha / r, as in PEFT. scaling=authors: s = alpha / (r
    sqrt(N)), as in the authors' code (github.com/PaulAlbert31/RandLoRA), which sets alpha = 2 r. Both codes pair the
    columns of B and the rows of A in another order than the sum above, which makes no difference for random bases.
    """

    name: ClassVar[str] = "randlora"
    rank: int = 32
    alpha: float = 640.0
    dropout: float = 0.0
    bases: str = "dense"
    scaling: str = "peft"

    def __post_init__(self):
        check_whole("rank", self.rank, "the rank")
        check_positive("alpha", self.alpha)
        check_dropout(self.dropout)
        check_choice("bases", self.bases, BASES)
        check_choice("scaling", self.scaling, SCALINGS)

    def peft_config(self, targets: list[str], seed: int) -> RandLoraConfig:
        """See `PeftMethod.peft_config`."""
        return RandLoraConfig(
            r=self.rank,
            randlora_alpha=self.alpha,  # type: ignore[arg-type]  # PEFT takes a float
            randlora_dropout=self.dropout,
            sparse=self.bases == "sparse",
            very_sparse=self.bases == "very_sparse",
            target_modules=targets,
            projection_prng_key=seed,
            save_projection=False,
        )

    def attach(self, model: nn.Module, targets: list[str], head: list[str], seed: int = 0) -> Adapted:
        """See `PeftMethod.attach`."""
        adapted = super().attach(model, targets, head, seed)
        for _, layer in tuner_layers(model):
            layer.scaling[ADAPTER] /= self._divisor(layer)
        return adapted

    def save_peft(self, adapted: Adapted, directory: Path) -> None:
        """See `Method.save_peft`. PEFT divides alpha by r alone, so the file's lambda is divided by the rest."""
        state = adapter_state(adapted)
        for name, layer in tuner_layers(adapted.model):
            key = f"{name}.randlora_lambda.{ADAPTER}"
            state[key] = state[key] / self._divisor(layer)
        write_peft_checkpoint(directory, adapted, peft_names(state), adapted.state.tuner.peft_config[ADAPTER])

    def _divisor(self, layer: PeftLayer) -> float:
        """Return what alpha is divided by in addition to r, for a layer of PEFT."""
        return sqrt(layer.num_bases) if self.scaling == "authors" else 1.0

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return N (r + min(m, n)) summed over the target layers."""
        return sum(ceil(min(shape) / self.rank) * (self.rank + min(shape)) for shape in shapes)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: the N pairs side by side; of each only the factor on the shorter side trains."""
        ranks = [self.rank * ceil(min(shape) / self.rank) for shape in shapes]
        return sum(
            cost.low_rank_step(1, m, n, rank, trained=False) + cost.weight_gradient(1, rank, min(m, n))
            for (m, n), rank in zip(shapes, ranks, strict=True)
        )

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: A and B as well."""
        tuner = adapted.state.tuner
        drawn = {"A": tuner.randlora_A[ADAPTER], "B": tuner.randlora_B[ADAPTER]}
        return super().fingerprint(adapted) | {name: computed_sketch(matrix) for name, matrix in drawn.items()}


METHOD = RandLora
