"""The kinds of pattern that S can have: which of its n (n - 1) off-diagonal entries train."""

import zlib

import numpy as np
import torch
from torch import Tensor

from frod_bench.ops.diag_sparse.disjoint import disjoint_places
from frod_bench.ops.diag_sparse.pattern import Pattern, pattern_size
from frod_bench.ops.diag_sparse.tiled import TiledPattern
from frod_bench.ops.diag_sparse.unstructured import UnstructuredPattern

_LEAST_HEIGHT = 16  # of the tiles of a band; a narrow band would otherwise need thousands of tiny products


def random_pattern(n: int, sparsity: float, seed: int, name: str = "") -> Pattern:
    """Draw floor(sparsity * n^2) off-diagonal places of an [n, n] matrix, uniformly and without repetition.

    The draw depends on nothing but the seed, the name of the group that shares the pattern, n and the sparsity, so
    adapting more modules does not change the pattern of the others.
    """
    return _unstructured(n, _choose(n * (n - 1), pattern_size(n, sparsity), seed, name))


def disjoint_pattern(n: int, sparsity: float, seed: int, name: str, slot: int) -> Pattern:
    """Draw as `random_pattern` does, so that the patterns of two slots have no place in common.

    Raises ValueError for a slot beyond the last: there are about 1 / sparsity of them.
    """
    return _unstructured(n, disjoint_places(n * (n - 1), pattern_size(n, sparsity), slot, seed, name))


def block_diagonal_pattern(n: int, sparsity: float, seed: int, name: str = "") -> Pattern:
    """Draw as many places as `random_pattern`, all inside the smallest equal blocks on the diagonal that hold them."""
    nnz = pattern_size(n, sparsity)
    size = next(b for b in range(1, n + 1) if _places_in_blocks(n, b) >= nnz)
    index = torch.arange(n)
    first = index // size * size
    rows = index.repeat_interleave((n - first).clamp_max(size))
    cols = torch.cat([torch.arange(start, min(start + size, n)) for start in first.tolist()])
    off = rows != cols
    chosen = _choose(int(off.sum()), nnz, seed, name)
    return TiledPattern(n, rows[off][chosen], cols[off][chosen], height=size, halo=0)


def banded_pattern(n: int, sparsity: float, seed: int, name: str = "") -> Pattern:
    """Take as many places as `random_pattern`, nearest to the diagonal first; places on the outermost are drawn."""
    nnz = pattern_size(n, sparsity)
    halo = next(h for h in range(n) if h * (2 * n - h - 1) >= nnz)
    index, offsets = torch.arange(n), torch.arange(-halo, halo + 1)
    rows, cols = index.repeat_interleave(len(offsets)), (index[:, None] + offsets).reshape(-1)
    inside = (cols >= 0) & (cols < n) & (rows != cols)
    rows, cols = rows[inside], cols[inside]
    outermost = (rows - cols).abs() == halo
    drawn = torch.zeros(int(outermost.sum()), dtype=torch.bool)
    drawn[_choose(len(drawn), nnz - int((~outermost).sum()), seed, name)] = True
    keep = ~outermost
    keep[outermost] = drawn
    return TiledPattern(n, rows[keep], cols[keep], height=max(halo, _LEAST_HEIGHT), halo=halo)


PATTERNS = {"random": random_pattern, "block_diagonal": block_diagonal_pattern, "banded": banded_pattern}


def _unstructured(n: int, flat: Tensor) -> Pattern:
    """Return the pattern of the off-diagonal places with these numbers, [nnz], counted row by row."""
    rows, cols = flat // max(n - 1, 1), flat % max(n - 1, 1)
    return UnstructuredPattern(n, rows, cols + (cols >= rows).to(cols.dtype))  # step over the diagonal


def _choose(places: int, count: int, seed: int, name: str) -> Tensor:
    """Draw `count` distinct numbers below `places`; return them sorted, [count] int64."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return torch.from_numpy(np.sort(generator.choice(places, size=count, replace=False, shuffle=False)))


def _places_in_blocks(n: int, size: int) -> int:
    full, rest = divmod(n, size)
    return full * size * (size - 1) + rest * (rest - 1)
