"""One nn.Module per parametrisation of an adapted linear layer."""

from torch import Tensor, nn


class Adapter(nn.Module):
    """Base of the modules that replace a target layer; a model with one of them counts as adapted."""


def base_weight(base: nn.Linear) -> Tensor:
    """Return W [m, n] of an `nn.Linear`, or of a `Conv1D`, which stores it as [n, m]; a view."""
    return base.weight if isinstance(base, nn.Linear) else base.weight.T


def set_base_weight(base: nn.Linear, W: Tensor) -> None:
    """Give a layer the weight W [m, n], in its own dtype and as it stores it."""
    stored = W if isinstance(base, nn.Linear) else W.T
    base.weight.data = stored.to(base.weight.dtype).contiguous()


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
        return base_weight(self.base_layer).shape[1]

    @property
    def out_features(self) -> int:
        return base_weight(self.base_layer).shape[0]
