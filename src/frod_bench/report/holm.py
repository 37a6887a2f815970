"""Holm's correction for several tests."""

from collections.abc import Sequence
from typing import overload


@overload
def holm(p_values: Sequence[float]) -> list[float]: ...
@overload
def holm(p_values: Sequence[float | None]) -> list[float | None]: ...
def holm(p_values: Sequence[float | None]) -> Sequence[float | None]:
    """Return the p values adjusted for their number (Holm 1979); None stays None and does not count."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for number, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - number)))
        adjusted[place] = largest
    return adjusted
