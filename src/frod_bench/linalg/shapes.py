"""Weights of which only shape, dtype and device are known: what follows from these alone can still be computed."""

from torch import Tensor
from torch._subclasses import FakeTensor


def has_data(tensor: Tensor) -> bool:
    """Return whether a tensor has values, which one on the meta device or in a `FakeTensorMode` has not."""
    return not (tensor.is_meta or isinstance(tensor, FakeTensor))
