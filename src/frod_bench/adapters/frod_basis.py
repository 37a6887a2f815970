"""What the layers of one group share: V^T, the projection of an input they all read, and the pattern of S."""

import weakref

import torch
from torch import Tensor, nn

from frod_bench.ops.frod_linear import project
from frod_bench.ops.rotation import Pattern


class RightBasis(nn.Module):
    """V^T [n, n], held once and moved once, and the last projection of an input for as long as somebody holds it."""

    def __init__(self, Vt: Tensor):
        super().__init__()
        self.register_buffer("Vt", Vt.contiguous(), persistent=False)
        self._forget()

    def project(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Return V^T x as columns [n, T] in `dtype`, of x [..., n]; computed once for layers that read the same x."""
        if torch.compiler.is_compiling() or x.is_inference():  # a compiler shares by itself; the other has no version
            return self._product(x, dtype)
        key = (x._version, dtype, torch.is_grad_enabled(), x.requires_grad)
        result = self._result() if self._input() is x and self._key == key else None
        if result is None:
            result = self._product(x, dtype)
            self._key, self._input, self._result = key, weakref.ref(x), weakref.ref(result)
        return result

    def _product(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return project(x.to(dtype).reshape(-1, x.shape[-1]), self.Vt)

    def _forget(self) -> None:
        self._key, self._input, self._result = None, _nothing, _nothing

    def _apply(self, fn, recurse=True):
        self._forget()
        return super()._apply(fn, recurse)

    def __getstate__(self):  # for copies and pickles
        return self.__dict__ | {"_key": None, "_input": _nothing, "_result": _nothing}


class FrodBasis(nn.Module):
    """V^T and the pattern of S; layers with other patterns can share the same `RightBasis`."""

    def __init__(self, right: RightBasis, pattern: Pattern):
        super().__init__()
        self.right = right
        self.pattern = pattern.to(right.Vt.device)

    @property
    def Vt(self) -> Tensor:
        return self.right.Vt

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.pattern = self.pattern.to(self.Vt.device)
        return self


def _nothing() -> None:
    return None
