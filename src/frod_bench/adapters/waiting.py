"""A base layer that takes no part while its adapter stands for it."""

import torch
from torch import nn


class StandsFor(nn.Module):
    """Base of adapters that keep the layer they stand for on the host, one more copy of its weight there."""

    def wait(self, base: nn.Linear) -> None:
        """Move `base` to the host."""
        self._waiting = (base.cpu(),)  # in a tuple, so that it is no submodule and stays there

    @property
    def waiting(self) -> nn.Linear:
        """The layer that this one stands for, on the host."""
        return self._waiting[0]

    def base(self) -> nn.Linear:
        """Return the layer that this one stands for, on the device of this one."""
        return self.waiting.to(next(self.parameters()).device)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        probe = torch.empty(0, dtype=self.waiting.weight.dtype, device=next(self.parameters()).device)
        self.waiting.to(fn(probe).dtype)  # a cast of the model is one of its base layers too
        return self
