"""A base layer that takes no part while its adapter stands for it."""

from itertools import chain

import torch
from torch import Tensor, nn


class StandsFor(nn.Module):
    """Base of adapters that keep the layer they stand for on the host, one more copy of its weight there."""

    def wait(self, base: nn.Linear) -> None:
        """Move `base` to the host."""
        self._waiting = (base.cpu(),)  # in a tuple, so that it is no submodule and stays there

    @property
    def waiting(self) -> nn.Linear:
        """The layer that this one stands for, on the host."""
        return self._waiting[0]

    @property
    def weight(self) -> Tensor:
        """What a model may ask of its layer's weight: shape [m, n], precision and device. The values are NaN."""
        base = self.waiting.weight
        return base.new_full((1, 1), float("nan"), device=self._device()).expand(base.shape)

    @property
    def in_features(self) -> int:
        return self.waiting.in_features

    @property
    def out_features(self) -> int:
        return self.waiting.out_features

    def base(self) -> nn.Linear:
        """Return the layer that this one stands for, on the device of this one."""
        return self.waiting.to(self._device())

    def _device(self) -> torch.device:
        return next(chain(self.parameters(), self.buffers())).device

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        probe = torch.empty(0, dtype=self.waiting.weight.dtype, device=self._device())
        self.waiting.to(fn(probe).dtype)  # a cast of the model is one of its base layers too
        return self
