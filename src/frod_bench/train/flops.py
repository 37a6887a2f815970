"""The floating-point operations of one training step, counted while it runs, with torch's own formulas."""

from collections.abc import Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopCount(TorchDispatchMode):
    """A context in which `total` adds up the FLOPs of matrix products, convolutions and attention, a multiply-add as 2.

    Forward and backward are counted, and what checkpointing computes twice. Not counted are elementwise work, sparse
    products, kernels outside of torch's own operators, and the optimizer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def typical_step(plan: Sequence[Sequence[Sequence[int]]], lengths: Sequence[int]) -> int:
    """Return the step of an epoch whose padded size is nearest to the mean; its cost stands for every step's."""
    sizes = [sum(len(micro) * max(lengths[row] for row in micro) for micro in step) for step in plan]
    mean = sum(sizes) / len(sizes)
    return min(range(len(sizes)), key=lambda step: abs(sizes[step] - mean))
