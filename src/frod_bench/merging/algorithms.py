"""How the updates ΔW of several tasks combine into one; the merged weight is W + scale times the result.

Every function takes the updates of one layer, stacked [tasks, ...], so that a merge needs the memory of one layer.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def average(deltas: Tensor) -> Tensor:
    """Return the mean over the tasks (Wortsman et al. 2022, arXiv 2203.05482)."""
    return deltas.mean(0)


def task_arithmetic(deltas: Tensor) -> Tensor:
    """Return the sum over the tasks (Ilharco et al. 2023, arXiv 2212.04089)."""
    return deltas.sum(0)


def ties(deltas: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Return the mean of the large entries that have the elected sign (TIES, Yadav et al. 2023, arXiv 2306.01708).

    `thresholds` holds for each task the smallest |entry| that its trimming keeps in the whole model. The sign of an
    entry is that of the sum over the tasks; 0 counts as positive, as in mergekit and PEFT.
    """
    least = torch.tensor(thresholds, device=deltas.device).view(-1, *[1] * (deltas.ndim - 1))
    kept = torch.where(deltas.abs().float() >= least, deltas, 0)  # thresholds are in float32
    elected = torch.where(kept.sum(0) >= 0, 1, -1)
    agree = kept.sign() == elected
    return (kept * agree).sum(0) / agree.sum(0).clamp(min=1)


def dare(deltas: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """Return the sum of updates of which a random share `density` is kept, divided by it (DARE, arXiv 2311.03099)."""
    kept = torch.rand(deltas.shape, generator=generator, dtype=torch.float64) < density
    return (deltas * kept.to(deltas.device) / density).sum(0)


def linear(pairs: Sequence[tuple[Tensor, Tensor, float]]) -> Tensor:
    """Return (sum_t sqrt(s_t) B_t) (sum_t sqrt(s_t) A_t) of the pairs B [m, r], A [r, n] and their scaling s.

    This is PEFT's combination_type=linear, which LoRI merges with; it has terms B_t A_u of two tasks.
    """
    B = torch.stack([s**0.5 * B for B, _, s in pairs]).sum(0)
    A = torch.stack([s**0.5 * A for _, A, s in pairs]).sum(0)
    return B @ A


class How(NamedTuple):
    """One way to merge: its usual scale, and what it needs beside the updates."""

    scale: float
    density: float | None = None  # its usual share of kept entries; None: it drops none
    trims: bool = False  # whether those are the largest of the whole model, and not drawn
    factors: bool = False  # whether it combines A and B instead of updates
    combine: Callable[[Tensor], Tensor] | None = None  # where the updates are all it needs

    @property
    def draws(self) -> bool:
        """Whether it depends on a seed."""
        return self.density is not None and not self.trims

    def entry_bytes(self, tasks: int) -> int:
        """Return the peak memory of merging one layer of so many tasks, in bytes per entry of the layer."""
        stacking = 16 + 16 * tasks  # the base, zeros, and every update alone and in the stack
        dropping = 25 * tasks  # updates, a mask, what is kept, and a product of them
        return stacking if self.density is None else max(stacking, dropping + 16 * self.trims)


# scales: FusionBench's 0.3 for a sum over tasks, 1 as in the TIES paper without validation rows, and the 0.4 with which
# LoRI's scripts merge four LoRI-D adapters; densities: the TIES paper's 20 %, and the 10 % that DARE's paper keeps
HOWS = {
    "average": How(1.0, combine=average),
    "task_arithmetic": How(0.3, combine=task_arithmetic),
    "ties": How(1.0, density=0.2, trims=True),
    "dare": How(0.3, density=0.1),
    "lori_cat": How(0.4, combine=task_arithmetic),  # PEFT's combination_type=cat is the weighted sum of all B A
    "lori_linear": How(0.4, factors=True),
}
