"""Layers that cannot train, because the adapter starts from a part of the weight that is zero."""

import sys
from collections.abc import Iterable

from torch import Tensor

from frod_bench.console import say
from frod_bench.linalg.shapes import has_data
from frod_bench.methods.support.adapted import Adapted


def report_zero_gradient(adapted: Adapted, layers: Iterable[str]) -> None:
    """Record the names of layers that get no gradient in `adapted.facts`, and print one warning."""
    names = list(layers)
    if not names:
        return
    adapted.facts["without_gradient"] = names
    others = f" and {len(names) - 1} other layers" if len(names) > 1 else ""
    say(
        f"{adapted.method.name} starts from the weight of {names[0]}{others}, which is zero, so it gets no"
        " gradient and stays as it is. Leave it out of targets, or use a method with a random start, such as lora.",
        sys.stderr,
    )


def all_zero(*factors: Tensor) -> bool:
    """Return whether all tensors have values and are zero."""
    return not any(not has_data(factor) or factor.any() for factor in factors)
