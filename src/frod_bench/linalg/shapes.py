"""Tensors without values, as on the meta device: code that only needs shapes still runs on them."""

from torch import Tensor
from torch._subclasses import FakeTensor


def has_data(tensor: Tensor) -> bool:
    """Return whether a tensor has values: False on the meta device and in a `FakeTensorMode`."""
    return not (tensor.is_meta or isinstance(tensor, FakeTensor))
