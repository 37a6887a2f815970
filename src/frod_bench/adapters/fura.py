"""A linear layer as a block tensor-train: y = sum_i L_i (s_i * (R_i^T x_i)) + b over the blocks x_i of x (FuRA).

Trainable: s [q, k], the bias, and the smaller of L [q, m, k] and R [q, b, k]. The larger one is frozen, and may be
stored in another form, such as four bits.
"""

from collections.abc import Callable
from typing import Protocol, TypedDict

import torch
from torch import Tensor, nn

from frod_bench.adapters import Adapter
from frod_bench.adapters.offloaded_base import OffloadsBase
from frod_bench.linalg.block_svd import BlockFactors


class FrozenCore(Protocol):
    """A matrix M [k, m] in some form, which can multiply."""

    def dense(self) -> Tensor:
        """Return M."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return x M [..., m] of x [..., k]."""


class DenseMatrix(nn.Module):
    """A matrix M [k, m], trainable or frozen."""

    def __init__(self, matrix: Tensor, train: bool = False):
        super().__init__()
        self.matrix = nn.Parameter(matrix.clone(), requires_grad=train)

    def dense(self) -> Tensor:
        """Return M."""
        return self.matrix

    def forward(self, x: Tensor) -> Tensor:
        """Return x M [..., m] of x [..., k]."""
        return x @ self.matrix.to(x.dtype)


class _Form(TypedDict):
    device: torch.device
    dtype: torch.dtype


class FuraLinear(OffloadsBase, Adapter):
    """Replaces an `nn.Linear` or `Conv1D` [m, n].

    If the left core [q k, m] is the large, frozen one, `hold` turns it into a module with the interface of
    `DenseMatrix`; by default into a frozen `DenseMatrix`.
    """

    def __init__(
        self,
        base: nn.Linear,
        factors: BlockFactors,
        train_bias: bool,
        hold: Callable[[Tensor], FrozenCore] | None = None,
    ):
        super().__init__()
        device, dtype = base.weight.device, base.weight.dtype
        trained: _Form = {"device": device, "dtype": torch.promote_types(dtype, torch.float32)}
        frozen: _Form = {"device": device, "dtype": dtype}
        blocks, _, k = factors.L.shape
        left = factors.L.transpose(1, 2).reshape(blocks * k, -1)  # a left singular vector is a row
        self.trains_right = left.numel() > factors.R.numel()
        if self.trains_right:
            self.left = (hold or DenseMatrix)(left.to(**frozen))
            self.right = nn.Parameter(factors.R.to(**trained))
        else:
            self.left = DenseMatrix(left.to(**trained), train=True)
            self.right = nn.Parameter(factors.R.to(**frozen), requires_grad=False)
        self.s = nn.Parameter(factors.s.to(**trained))
        bias = base.bias
        if bias is not None:
            copy = bias.detach().to(**(trained if train_bias else frozen), copy=True)
            bias = nn.Parameter(copy, requires_grad=train_bias)
        self.bias = bias
        self.offload(base)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output [..., m] of x [..., n]."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            blocks, b, k = self.right.shape
            parts = x.to(dtype).reshape(-1, blocks, b).transpose(0, 1)  # [q, T, b]
            inner = torch.bmm(parts, self.right.to(dtype)) * self.s.to(dtype)[:, None]
            y = self.left(inner.transpose(0, 1).reshape(-1, blocks * k))
            y = y if self.bias is None else y + self.bias.to(dtype)
            return y.reshape(*x.shape[:-1], y.shape[-1])

    def frozen_core(self) -> Tensor:
        """Return the core that is frozen: L [q k, m] or R [q, b, k]."""
        return self.left.dense() if self.trains_right else self.right

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """Return W [m, n], multiplied out of the current factors."""
        blocks, b, k = self.right.shape
        exact = torch.promote_types(self.s.dtype, torch.float32)
        right = self.right.to(exact) * self.s.to(exact)[:, None]
        left = self.left.dense().to(exact).view(blocks, k, -1)
        return torch.bmm(right, left).reshape(blocks * b, -1).T.contiguous()

    def extra_repr(self) -> str:
        return f"blocks={self.right.shape[0]}, core={self.right.shape[1]}x{self.right.shape[2]}"
