"""The matrix that a FRoD layer forms from its parameters, W' or D, kept while they cannot change."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from frod_bench.linalg.shapes import has_data

if TYPE_CHECKING:
    from frod_bench.adapters.frod import FrodLinear


class _Held(NamedTuple):
    """A matrix, the tensors it was formed from, and the version, address and mode of W at that time."""

    form: Callable[[], Tensor]  # the layer's method that formed it
    result: Tensor
    values: Tensor
    sigma: Tensor
    base: Tensor
    base_state: tuple[int, int, bool]


class FormedWeight:
    """The last W' or D of one layer.

    allowed: False where the parameters are sharded; nothing is kept then.
    expected_passes: forward passes until a parameter changes, as the caller has promised; 0: unknown.
    sums_gradients: in training the matrix is a leaf, whose gradient autograd sums over the expected passes and
        `summed_gradient` hands out.
    """

    def __init__(self) -> None:
        self.allowed, self.expected_passes, self.sums_gradients = True, 0, False
        self.held: _Held | None = None

    def expect(self, passes: int, sum_gradients: bool = False) -> None:
        """Keep the matrix without checking it for about `passes` passes; 0 ends that promise."""
        self.expected_passes, self.held = passes if self.allowed else 0, None
        self.sums_gradients = sum_gradients and self.expected_passes > 1

    def forbid(self) -> None:
        """Keep nothing from now on."""
        self.allowed, self.held = False, None

    def get(self, layer: "FrodLinear", form: Callable[[], Tensor]) -> Tensor | None:
        """Return `form()`, computing it if due; None where a parameter may change between two passes."""
        if torch.compiler.is_compiling():
            return None
        if not self.allowed or not (self.expected_passes or not (layer.training or torch.is_grad_enabled())):
            self.held = None
            return None
        if layer.training and layer.recompute:
            return None
        base = layer.base_layer.weight.detach()  # a tensor made in inference mode cannot be differentiated
        address = base.data_ptr() if has_data(base) else 0
        state = (layer.base_layer.weight._version, address, torch.is_inference_mode_enabled())
        held = self.held  # read once, as another thread may replace or drop it at any time
        if held is None or (held.form, held.base_state) != (form, state) or not self._is_current(held, layer):
            values, sigma = layer.values.detach().clone(), layer.sigma.detach().clone()
            result = form()
            if self.sums_gradients and layer.training:
                result.requires_grad_()
            self.held = held = _Held(form, result, values, sigma, base, state)
        return held.result

    def summed_gradient(self) -> tuple[Callable[[], Tensor], Tensor] | None:
        """Return the method that formed the matrix, and its gradient over the passes so far; None without one."""
        held = self.held
        if held is None or held.result.grad is None:
            return None
        gradient, held.result.grad = held.result.grad, None
        return held.form, gradient

    def _is_current(self, held: _Held, layer: "FrodLinear") -> bool:
        """Return whether sigma and S still have the values that the matrix was formed from.

        Values are compared, because a fused optimizer changes neither the version nor the address of a parameter.
        """
        if self.expected_passes or not has_data(layer.sigma):
            return True
        return torch.equal(held.sigma, layer.sigma) and torch.equal(held.values, layer.values)

    def __getstate__(self) -> dict:  # for copies and pickles
        return self.__dict__ | {"held": None}
