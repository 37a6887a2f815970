"""Find the first step whose loss is NaN or infinite, and the part of the model it comes from."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class LossWatch:
    """Check every loss before the optimizer's step, without waiting for the device.

    From the first loss on that is not finite, `found_inf` tells AdamW's fused step to leave the weights unchanged, so
    that the weights behind that loss can still be examined. A gradient scaler does the same by itself.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device):
        self._optimizer: Any = getattr(optimizer, "optimizer", optimizer)  # accelerate's wrapping
        self._lost = torch.zeros((), device=device)
        self._steps = torch.zeros((), device=device)
        self._loss = torch.zeros((), device=device, dtype=torch.float64)

    def see(self, loss: Tensor) -> None:
        """Check the loss [] of the step that the optimizer is about to take."""
        self._loss = torch.where(self._lost > 0, self._loss, loss)
        self._lost = torch.maximum(self._lost, (~loss.isfinite()).float())
        self._steps += self._lost
        self._optimizer.found_inf = self._lost

    def lost(self) -> tuple[int, float] | None:
        """Return how many steps ago the first non-finite loss occurred (0: the last step) and that loss, or None."""
        steps = int(self._steps)
        return (steps - 1, self._loss.item()) if steps else None


def first_not_finite(model: nn.Module, forward: Callable[[], Any]) -> str | None:
    """Return, in words, the first weights or module output in the pass `forward()` that are not finite, or None.

    A module is checked when it returns, so before the modules that contain it and those that use its output.
    """
    found: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if found:
                return
            own = (f"{name}.{n}" for n, p in module.named_parameters(recurse=False) if not p.isfinite().all())
            if weight := next(own, None):
                found.append(f"the weights {weight}")
            elif not _finite(output):
                found.append(f"the output of {name}")

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            forward()
    finally:
        for handle in hooks:
            handle.remove()
    return found[0] if found else None


def _finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return bool(value.isfinite().all())
    if isinstance(value, dict):
        return _finite(list(value.values()))
    return all(map(_finite, value)) if isinstance(value, list | tuple) else True
