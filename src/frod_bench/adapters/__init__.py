"""One nn.Module per parametrisation of an adapted linear layer."""

from torch import Tensor, nn


class Adapter(nn.Module):
    """Base of the modules that replace a target layer; a model with one of them counts as adapted."""


class WrapsBase(Adapter):
    """Base of adapters that compute with their `base_layer`, and answer for it when a model reads its attributes."""

    base_layer: nn.Linear  # or a `Conv1D`, which has a weight and a bias too

    @property
    def weight(self) -> Tensor:
        """The frozen weight as the base layer stores it: [m, n], or [n, m] for a `Conv1D`."""
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
