"""Where the trainable entries of S are."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Pattern:
    """Off-diagonal places (rows[k], cols[k]) of S [n, n] for M = diag(d) + S; how the products go is a subclass's.

    `structure` holds the index tensors of the products. They and the places move together. Subclasses implement
    `index`, `product`, `sddmm` and `column_cost`; entries of M come as `cat(values, d)` [nnz + n].
    """

    n: int
    rows: Tensor  # [nnz] int64
    cols: Tensor  # [nnz] int64
    structure: list[Tensor] = field(init=False, repr=False)

    def __post_init__(self):
        diagonal = torch.arange(self.n, device=self.rows.device)
        self.structure = self.index(torch.cat([self.rows, diagonal]), torch.cat([self.cols, diagonal]))

    def index(self, rows: Tensor, cols: Tensor) -> list[Tensor]:
        """Return the index tensors for entries at rows and cols [nnz + n]."""
        raise NotImplementedError

    def product(self, entries: Tensor, z: Tensor, transposed: bool) -> Tensor:
        """Return M z, or M^T z, [n, T] of z [n, T]."""
        raise NotImplementedError

    def sddmm(self, h: Tensor, z: Tensor) -> Tensor:
        """Return the entries [nnz + n] of h z^T, of h and z [n, T]."""
        raise NotImplementedError

    def column_cost(self, dtype: torch.dtype, device_type: str) -> float:
        """Return what M times one column costs, in multiply-adds of a dense product."""
        raise NotImplementedError

    @property
    def nnz(self) -> int:
        return self.rows.numel()

    def to(self, device: torch.device) -> "Pattern":
        """Return the pattern on `device` (itself when it is there already)."""
        if self.rows.device == device:
            return self
        return type(self)(self.n, self.rows.to(device), self.cols.to(device))

    def dense(self, values: Tensor, diagonal: Tensor | None = None) -> Tensor:
        """Return M [n, n] as a dense matrix, or S without a diagonal."""
        S = values.new_zeros(self.n, self.n).index_put((self.rows, self.cols), values)
        return S if diagonal is None else S + diagonal.diag_embed()


def pattern_size(n: int, sparsity: float) -> int:
    """Return floor(sparsity * n^2), at most the n (n - 1) places off the diagonal."""
    return min(int(n * n * sparsity), n * (n - 1))
