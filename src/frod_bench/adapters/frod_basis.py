"""What the layers of one group share: V^T, the pattern of S, and the projection of an input they all read."""

import weakref

import torch
from torch import Tensor, nn

from frod_bench.ops.frod_linear import project
from frod_bench.ops.rotation import Pattern


class FrodBasis(nn.Module):
    """V^T [n, n] and the pattern of S. Held once, moved once.

    Layers with other patterns can share V^T: `projections` is then the same object in all their bases.
    """

    def __init__(self, Vt: Tensor, pattern: Pattern, projections: "Projections | None" = None):
        super().__init__()
        self.register_buffer("Vt", Vt.contiguous(), persistent=False)
        self.pattern = pattern.to(Vt.device)
        self.projections = projections

    def project(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Return V^T x as columns [n, T] in `dtype`, of x [..., n]; computed once for layers that read the same x."""

        def compute() -> Tensor:
            return project(x.to(dtype).reshape(-1, x.shape[-1]), self.Vt.to(dtype))

        if self.projections is None or torch.compiler.is_compiling():  # a compiler removes equal products itself
            return compute()
        return self.projections.get(x, dtype, compute)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.pattern = self.pattern.to(self.Vt.device)
        return self


class Projections:
    """The last projection of an input, for as long as somebody holds it."""

    def __init__(self):
        self._key: tuple | None = None
        self._input = self._result = lambda: None

    def get(self, x: Tensor, dtype: torch.dtype, compute) -> Tensor:
        """Return the projection of `x` in `dtype`, by `compute` unless it was the last one asked for."""
        key = (x._version, dtype, torch.is_grad_enabled())
        result = self._result() if self._input() is x and self._key == key else None
        if result is None:
            result = compute()
            self._key, self._input, self._result = key, weakref.ref(x), weakref.ref(result)
        return result

    def __deepcopy__(self, memo) -> "Projections":
        return Projections()
