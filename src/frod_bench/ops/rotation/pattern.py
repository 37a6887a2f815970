"""Where the trainable entries of S are, with the index structures of both orientations built once."""

import warnings
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


@dataclass
class Pattern:
    """Off-diagonal places (rows[k], cols[k]) of S [n, n], and the index structures of M = diag(d) + S.

    The compressed structures hold the diagonal among the places of S, so that one sparse product does both.
    Their entries are those of `cat(values, d)` [nnz + n], taken in the order `by_row` or `by_col`.
    """

    n: int
    rows: Tensor  # [nnz] int64
    cols: Tensor  # [nnz] int64
    by_row: Tensor = field(init=False)  # [nnz + n] int64
    by_col: Tensor = field(init=False)  # [nnz + n] int64
    from_row: Tensor = field(init=False)  # [nnz + n] int64, undoes by_row
    _rows: tuple[Tensor, Tensor] = field(init=False)  # int32 row starts [n + 1] and columns [nnz + n] of M
    _cols: tuple[Tensor, Tensor] = field(init=False)  # the same of M^T

    def __post_init__(self):
        diagonal = torch.arange(self.n, device=self.rows.device)
        rows, cols = torch.cat([self.rows, diagonal]), torch.cat([self.cols, diagonal])
        self.by_row = torch.argsort(rows * self.n + cols)
        self.by_col = torch.argsort(cols * self.n + rows)
        self.from_row = torch.argsort(self.by_row)
        self._rows = _starts(rows, self.n), cols[self.by_row].to(torch.int32)
        self._cols = _starts(cols, self.n), rows[self.by_col].to(torch.int32)

    @property
    def nnz(self) -> int:
        return self.rows.numel()

    def to(self, device: torch.device) -> "Pattern":
        """Return the pattern on `device` (itself when it is there already)."""
        return self if self.rows.device == device else Pattern(self.n, self.rows.to(device), self.cols.to(device))

    def csr(self, values: Tensor, diagonal: Tensor) -> Tensor:
        """Return M [n, n] as a CSR tensor, of values [nnz] and d [n]."""
        return self._compressed(self._rows, torch.cat([values, diagonal])[self.by_row])

    def csr_transposed(self, values: Tensor, diagonal: Tensor) -> Tensor:
        """Return M^T [n, n] as a CSR tensor, of values [nnz] and d [n]."""
        return self._compressed(self._cols, torch.cat([values, diagonal])[self.by_col])

    def csr_like(self, tensor: Tensor) -> Tensor:
        """Return the places of M as a CSR tensor of zeros in the dtype of `tensor`."""
        return self._compressed(self._rows, tensor.new_zeros(self.nnz + self.n))

    def split(self, entries: Tensor) -> tuple[Tensor, Tensor]:
        """Return values [nnz] and d [n] of the entries [nnz + n] of a CSR tensor of this pattern."""
        return entries[self.from_row].split([self.nnz, self.n])

    def dense(self, values: Tensor, diagonal: Tensor | None = None) -> Tensor:
        """Return M [n, n] as a dense matrix, or S without a diagonal."""
        out = values.new_zeros(self.n, self.n)
        out[self.rows, self.cols] = values
        if diagonal is not None:
            out.diagonal().copy_(diagonal)
        return out

    def _compressed(self, structure: tuple[Tensor, Tensor], entries: Tensor) -> Tensor:
        return torch.sparse_csr_tensor(*structure, entries, (self.n, self.n), check_invariants=False)


def pattern_size(n: int, sparsity: float) -> int:
    """Return floor(sparsity * n^2), at most the n (n - 1) places off the diagonal."""
    return min(int(n * n * sparsity), n * (n - 1))


def random_pattern(n: int, sparsity: float, seed: int, name: str = "") -> Pattern:
    """Draw floor(sparsity * n^2) off-diagonal places of an [n, n] matrix, uniformly and without repetition.

    The draw depends on the seed, the name of the group that shares the pattern, n and the sparsity only, so
    adapting more modules does not change the pattern of the others.
    """
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    nnz = pattern_size(n, sparsity)
    flat = torch.from_numpy(np.sort(generator.choice(n * (n - 1), size=nnz, replace=False, shuffle=False)))
    rows = flat // max(n - 1, 1)
    cols = flat % max(n - 1, 1)
    return Pattern(n, rows, cols + (cols >= rows).to(cols.dtype))  # step over the diagonal


def _starts(index: Tensor, n: int) -> Tensor:
    counts = torch.bincount(index, minlength=n)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
