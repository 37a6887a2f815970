"""VeRA: W' = W + diag(b) B diag(d) A with A and B random, frozen and shared (Kopiczko et al. 2024, arXiv 2310.11454),
by PEFT.
"""

from dataclasses import dataclass
from typing import ClassVar

from peft import VeraConfig

from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.fingerprint import Sketch, computed_sketch
from frod_bench.methods.support.options import check_dropout, check_positive, check_whole
from frod_bench.methods.support.peft_method import ADAPTER, PeftMethod
from frod_bench.ops import cost


@dataclass(frozen=True)
class Vera(PeftMethod):
    """d [r] starts at `d_initial` and b [m] at zero; both train.

    A [r, largest n] and B [largest m, r] are drawn on the CPU from the seed and cut to the shape of each layer. They
    are not saved; a saved adapter holds their sketches, which tell whether another machine draws the same ones.
    """

    name: ClassVar[str] = "vera"
    rank: int = 256
    d_initial: float = 0.1
    dropout: float = 0.0

    def __post_init__(self):
        check_whole("rank", self.rank, "the rank")
        check_positive("d_initial", self.d_initial)
        check_dropout(self.dropout)

    def peft_config(self, targets: list[str], seed: int) -> VeraConfig:
        """See `PeftMethod.peft_config`."""
        return VeraConfig(
            r=self.rank,
            d_initial=self.d_initial,
            vera_dropout=self.dropout,
            target_modules=targets,
            projection_prng_key=seed,
            save_projection=False,
        )

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return r + m summed over the target layers."""
        return sum(self.rank + m for m, _ in shapes)

    def multiply_adds(self, shapes: list[tuple[int, int]], tokens: int) -> float:
        """See `Method.multiply_adds`: A and B are used forward and backward, and have no gradient."""
        return sum(cost.low_rank_step(1, m, n, self.rank, trained=False) for m, n in shapes)

    def fingerprint(self, adapted: Adapted) -> dict[str, Sketch]:
        """See `Method.fingerprint`: A and B as well."""
        tuner = adapted.state.tuner
        drawn = {"A": tuner.vera_A[ADAPTER], "B": tuner.vera_B[ADAPTER]}
        return super().fingerprint(adapted) | {name: computed_sketch(matrix) for name, matrix in drawn.items()}


METHOD = Vera
