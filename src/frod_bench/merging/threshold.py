"""The k-th largest |entry| of many tensors together, in the memory of one of them.

The bits of a float32 of 0 or more, read as a whole number, grow with its value. Counting the upper halves and then,
among the entries that share the wanted one, the lower halves, finds the value exactly in two passes.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_HALF = 1 << 16


def largest(tensors: Callable[[], Iterable[Tensor]], kept: int) -> float:
    """Return the `kept`-th largest |entry|, in float32, of the tensors, which are iterated over twice.

    Raises ValueError if they have fewer entries.
    """
    upper, above = _find((_bits(t) >> 16 for t in tensors()), kept)
    low, _ = _find(((b := _bits(t))[(b >> 16) == upper] & (_HALF - 1) for t in tensors()), kept - above)
    return torch.tensor((upper << 16) | low, dtype=torch.int32).view(torch.float32).item()


def _bits(tensor: Tensor) -> Tensor:
    return tensor.abs().float().flatten().view(torch.int32)


def _find(halves: Iterable[Tensor], kept: int) -> tuple[int, int]:
    """Return the `kept`-th largest of all numbers below 2^16, and how many are larger."""
    counts = torch.zeros(_HALF, dtype=torch.int64)
    for half in halves:
        counts += torch.bincount(half, minlength=_HALF).cpu()
    at_least = counts.flip(0).cumsum(0).flip(0)  # entries of this number and of larger ones
    if not 0 < kept <= int(at_least[0]):
        raise ValueError(f"{kept} of {int(at_least[0])} entries cannot be kept")
    number = int((at_least >= kept).sum()) - 1
    return number, int(at_least[number] - counts[number])
