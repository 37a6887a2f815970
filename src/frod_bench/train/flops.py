"""The floating-point operations of one training step, counted while it runs, with torch's formulas and ours.

Custom operators, ours and those of libraries, are opaque to the counter; their formulas are registered where they are
defined.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopCount(TorchDispatchMode):
    """Count, in `total`, the FLOPs of matrix products, convolutions and attention; a multiply-add is 2.

    Counts forward, backward and recomputation by gradient checkpointing. Leaves out elementwise work, sparse products
    and the optimizer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None and not any(_is_sparse(argument) for argument in args):
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _is_sparse(argument: Any) -> bool:
    return isinstance(argument, torch.Tensor) and argument.layout != torch.strided


def typical_step(plan: Sequence[Sequence[Sequence[int]]], lengths: Sequence[int]) -> int:
    """Return the step of an epoch whose padded size is closest to the mean, as a stand-in for all steps."""
    sizes = [sum(len(micro) * max(lengths[row] for row in micro) for micro in step) for step in plan]
    mean = sum(sizes) / len(sizes)
    return min(range(len(sizes)), key=lambda step: abs(sizes[step] - mean))
