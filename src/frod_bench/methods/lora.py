"""LoRA: W' = W + (alpha / r) B A (Hu et al. 2021, arXiv 2106.09685, Eq. 3), by PEFT."""

from dataclasses import dataclass
from typing import ClassVar

from peft import LoraConfig

from frod_bench.methods.support.options import check_dropout, check_positive, check_whole
from frod_bench.methods.support.peft_method import PeftMethod


@dataclass(frozen=True)
class Lora(PeftMethod):
    """A [r, n] is drawn Kaiming-uniform, B [m, r] starts at zero; both train."""

    name: ClassVar[str] = "lora"
    low_rank_update: ClassVar[bool] = True
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0

    def __post_init__(self):
        check_whole("rank", self.rank, "the rank")
        check_positive("alpha", self.alpha)
        check_dropout(self.dropout)

    def peft_config(self, targets: list[str], seed: int) -> LoraConfig:
        """See `PeftMethod.peft_config`."""
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # PEFT takes a float
            lora_dropout=self.dropout,
            target_modules=targets,
        )

    def trainable_parameters(self, shapes: list[tuple[int, int]]) -> int:
        """Return r (m + n) summed over the target layers."""
        return sum(self.rank * (m + n) for m, n in shapes)


METHOD = Lora
