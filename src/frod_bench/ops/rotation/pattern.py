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
    """Places (rows[k], cols[k]) of an [n, n] matrix, sorted by row; `order` sorts them by column instead."""

    n: int
    rows: Tensor  # [nnz] int64
    cols: Tensor  # [nnz] int64
    order: Tensor = field(init=False)  # [nnz] int64
    crow: Tensor = field(init=False)  # [n + 1] int32, row starts
    ccol: Tensor = field(init=False)  # [n + 1] int32, column starts
    cols32: Tensor = field(init=False)
    rows32_by_col: Tensor = field(init=False)

    def __post_init__(self):
        self.order = torch.argsort(self.cols * self.n + self.rows)
        self.crow = _starts(self.rows, self.n)
        self.ccol = _starts(self.cols, self.n)
        self.cols32 = self.cols.to(torch.int32)
        self.rows32_by_col = self.rows[self.order].to(torch.int32)

    @property
    def nnz(self) -> int:
        return self.rows.numel()

    def to(self, device: torch.device) -> "Pattern":
        """Return the pattern on `device` (itself when it is there already)."""
        return self if self.rows.device == device else Pattern(self.n, self.rows.to(device), self.cols.to(device))

    def csr(self, values: Tensor) -> Tensor:
        """Return S [n, n] as a CSR tensor over `values` [nnz]."""
        return torch.sparse_csr_tensor(self.crow, self.cols32, values, (self.n, self.n), check_invariants=False)

    def csr_transposed(self, values: Tensor) -> Tensor:
        """Return S^T [n, n] as a CSR tensor over `values` [nnz]."""
        return torch.sparse_csr_tensor(
            self.ccol, self.rows32_by_col, values[self.order], (self.n, self.n), check_invariants=False
        )

    def dense(self, values: Tensor) -> Tensor:
        """Return S [n, n] as a dense matrix."""
        out = values.new_zeros(self.n, self.n)
        out[self.rows, self.cols] = values
        return out


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
