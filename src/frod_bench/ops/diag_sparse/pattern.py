"""The places of the trainable entries of S, and what every kind of pattern implements."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Pattern:
    """Off-diagonal places (rows[k], cols[k]) of S [n, n], for M = diag(d) + S.

    A subclass implements the products: `index`, `product`, `sddmm` and `column_cost`. Entries of M are passed as
    `cat(values, d)` [nnz + n]. `structure` holds the index tensors of the products, on the device of the places.
    """

    n: int
    rows: Tensor  # [nnz] int64
    cols: Tensor  # [nnz] int64
    structure: list[Tensor] = field(init=False, repr=False)

    def __post_init__(self):
        diagonal = torch.arange(self.n, device=self.rows.device)
        self.structure = self.index(torch.cat([self.rows, diagonal]), torch.cat([self.cols, diagonal]))

    def index(self, rows: Tensor, cols: Tensor) -> list[Tensor]:
        """Return the index tensors that the products need for entries at `rows` and `cols` [nnz + n]."""
        raise NotImplementedError

    def product(self, entries: Tensor, z: Tensor, transposed: bool) -> Tensor:
        """Return M z, or M^T z if `transposed`, [n, T], of the entries of M [nnz + n] and z [n, T]."""
        raise NotImplementedError

    def sddmm(self, h: Tensor, z: Tensor) -> Tensor:
        """Return the entries [nnz + n] of h z^T at the places of M, of h and z [n, T]."""
        raise NotImplementedError

    def column_cost(self, dtype: torch.dtype, device_type: str) -> float:
        """Return the cost of M times one column, in multiply-adds of a dense product."""
        raise NotImplementedError

    @property
    def nnz(self) -> int:
        return self.rows.numel()

    def to(self, device: torch.device) -> "Pattern":
        """Return the pattern on `device`; itself if it is there already."""
        if self.rows.device == device:
            return self
        return type(self)(self.n, self.rows.to(device), self.cols.to(device))

    def dense(self, values: Tensor, diagonal: Tensor | None = None) -> Tensor:
        """Return M [n, n] as a dense matrix; S without `diagonal`."""
        S = values.new_zeros(self.n, self.n).index_put((self.rows, self.cols), values)
        return S if diagonal is None else S + diagonal.diag_embed()


def pattern_size(n: int, sparsity: float) -> int:
    """Return floor(sparsity * n^2), at most the n (n - 1) places off the diagonal."""
    return min(int(n * n * sparsity), n * (n - 1))
