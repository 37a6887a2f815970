"""What the layers of a group share: V^T, the projection of an input that several of them read, the pattern of S."""

import weakref
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from frod_bench.adapters.cast_copies import CastCopies
from frod_bench.linalg.shapes import has_data
from frod_bench.ops.diag_sparse import Pattern
from frod_bench.ops.frod_linear import project


class _Projection(NamedTuple):
    """The last projection, weakly referenced, with its input and the state that input was in."""

    key: tuple | None
    input: Callable[[], Tensor | None]
    result: Callable[[], Tensor | None]


def _nothing() -> None:
    return None


_NONE = _Projection(None, _nothing, _nothing)


class RightBasis(nn.Module):
    """V^T [k, k], stored once for all layers, and the last projection while a layer still uses it.

    `inverse` is (V^T)^-1 [k, k], where a layer computes with it instead of its U.
    """

    Vt: Tensor
    inverse: Tensor | None

    def __init__(self, Vt: Tensor, inverse: Tensor | None = None):
        super().__init__()
        self.register_buffer("Vt", Vt.contiguous(), persistent=False)
        self.register_buffer("inverse", inverse, persistent=False)
        self.sketch = _probed(Vt)  # [n], of V before any cast
        self._last = _NONE
        self._casts = CastCopies()

    def in_dtype(self, name: str, dtype: torch.dtype) -> Tensor:
        """Return `Vt` or `inverse` [k, k] in `dtype`, cast once."""
        return self._casts.get(name, getattr(self, name), dtype)

    def project(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Return V^T x as columns [n, T] in `dtype`, of x [..., n]; computed once for layers that read the same x."""
        if torch.compiler.is_compiling() or x.is_inference():  # the compiler shares; the others have no version
            return self._product(x, dtype)
        key = (x._version, dtype, torch.is_grad_enabled(), x.requires_grad)
        last = self._last  # read once, as another thread may replace it at any time
        result = last.result() if last.key == key and last.input() is x else None
        if result is None:
            result = self._product(x, dtype)
            self._last = _Projection(key, weakref.ref(x), weakref.ref(result))
        return result

    def _product(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return project(x.to(dtype).reshape(-1, x.shape[-1]), self.in_dtype("Vt", dtype))

    def _apply(self, fn, recurse=True):
        self._last, self._casts = _NONE, CastCopies()
        return super()._apply(fn, recurse)

    def __getstate__(self):  # for copies and pickles
        return self.__dict__ | {"_last": _NONE}


class FrodBasis(nn.Module):
    """V^T and the pattern of S; layers with other patterns can share the same `RightBasis`."""

    def __init__(self, right: RightBasis, pattern: Pattern):
        super().__init__()
        self.right = right
        self.pattern = pattern.to(right.Vt.device)

    @property
    def Vt(self) -> Tensor:
        return self.right.Vt

    def sketch(self) -> Tensor:
        """Return [n + 1] numbers on the host that identify V [n] and the pattern of S [1]."""
        return torch.cat([self.right.sketch, self.pattern_sketch()])

    def pattern_sketch(self) -> Tensor:
        """Return a number [1] on the host that identifies the pattern of S."""
        pattern = self.pattern
        return _probe(pattern.rows * pattern.n + pattern.cols).sum(dim=0, keepdim=True).float().cpu()

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.pattern = self.pattern.to(self.Vt.device)
        return self


def _probe(index: Tensor) -> Tensor:
    return torch.cos(index.double())


def _probed(Vt: Tensor) -> Tensor:
    if not has_data(Vt):
        return torch.zeros(len(Vt))
    return (Vt.double() @ _probe(torch.arange(len(Vt), device=Vt.device))).float().cpu()
