"""Adapters that replace their base layer and keep it on the host, to restore it later."""

from itertools import chain

import torch
from torch import Tensor, nn

from frod_bench.adapters import base_weight


class OffloadsBase(nn.Module):
    """Base of adapters that compute without the layer they replace; it costs one copy of its weight on the host."""

    def offload(self, base: nn.Linear) -> None:
        """Move `base` to the host and keep it there."""
        self._offloaded = (base.cpu(),)  # in a tuple, so that it is no submodule and does not move with this one

    @property
    def offloaded(self) -> nn.Linear:
        """The replaced layer, on the host."""
        return self._offloaded[0]

    @property
    def weight(self) -> Tensor:
        """A stand-in for the stored weight with its shape, dtype and device; the values are NaN."""
        base = self.offloaded.weight
        return base.new_full((1, 1), float("nan"), device=self._device()).expand(base.shape)

    @property
    def in_features(self) -> int:
        return base_weight(self.offloaded).shape[1]

    @property
    def out_features(self) -> int:
        return base_weight(self.offloaded).shape[0]

    def restored_base(self) -> nn.Linear:
        """Return the replaced layer, moved to the device of this one."""
        return self.offloaded.to(self._device())

    def _device(self) -> torch.device:
        return next(chain(self.parameters(), self.buffers())).device

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        probe = torch.empty(0, dtype=self.offloaded.weight.dtype, device=self._device())
        self.offloaded.to(fn(probe).dtype)  # the base follows a change of dtype, but not of device
        return self
