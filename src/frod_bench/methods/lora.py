"""LoRA: W' = W + (alpha / r) B A (Hu et al. 2021, arXiv 2106.09685, Eq. 3), by PEFT."""

from dataclasses import dataclass
from typing import ClassVar

from peft import LoraConfig, PeftConfig

from frod_bench.errors import RequestError
from frod_bench.methods.peft_base import PeftMethod


@dataclass(frozen=True)
class Lora(PeftMethod):
    """A in [r, n] is drawn Kaiming-uniform, B in [m, r] starts at zero; both train."""

    name: ClassVar[str] = "lora"
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0

    def __post_init__(self):
        if self.rank < 1:
            raise RequestError(f"method.rank={self.rank} is not accepted: the rank is a whole number of 1 or more.")
        if not self.alpha > 0:
            raise RequestError(f"method.alpha={self.alpha} is not accepted: alpha is a number above 0.")
        if not 0 <= self.dropout < 1:
            raise RequestError(f"method.dropout={self.dropout} is not accepted: dropout lies in [0, 1).")

    def peft_config(self, targets: list[str], seed: int) -> PeftConfig:
        """See `PeftMethod.peft_config`."""
        return LoraConfig(r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=targets)

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return r (m + n) summed over the target layers."""
        return sum(self.rank * (m + n) for m, n in shapes)


METHOD = Lora
