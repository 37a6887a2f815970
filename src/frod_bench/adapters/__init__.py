"""One nn.Module a parametrisation of an adapted linear layer."""

from torch import Tensor, nn


class Adapter(nn.Module):
    """Base of the modules that take the place of a target layer, by which a model is known to be adapted."""


class BesideBase(Adapter):
    """Base of adapters that keep the layer they adapt as `base_layer`; a model may ask them what it asks that layer."""

    base_layer: nn.Module

    @property
    def weight(self) -> Tensor:
        """The frozen weight as the base layer stores it: [m, n], of a `Conv1D` [n, m]."""
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias [m]."""
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        return self.weight.shape[1 if isinstance(self.base_layer, nn.Linear) else 0]

    @property
    def out_features(self) -> int:
        return self.weight.shape[0 if isinstance(self.base_layer, nn.Linear) else 1]
