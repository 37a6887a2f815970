"""Products A^T A and eigenvectors of symmetric matrices, by the faster library on a CPU.

torch has no symmetric product, and outside Intel's CPUs its MKL is slower than the OpenBLAS that comes with scipy: of
n = 1536, one thread of an AMD EPYC takes 0.24 s for twelve products of 384 rows in float64 (torch 0.39 s, in panels),
and 0.31 s for the eigenvectors in float32 (torch 0.45 s). The choice depends on the machine alone, so it repeats.
"""

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch
from scipy.linalg import blas, lapack
from threadpoolctl import ThreadpoolController
from torch import Tensor

from frod_bench.linalg.shapes import has_data

_PANEL = 512  # columns of a product computed at once, to skip most of the lower triangle


def add_gram(out: Tensor, rows: Tensor, scale: float = 1.0) -> None:
    """Add scale A^T A to the upper triangle of `out` [n, n], of A [k, n] in the same dtype; `out` is contiguous."""
    if _by_scipy(rows):
        syrk = blas.dsyrk if rows.dtype == torch.float64 else blas.ssyrk
        a, transposed = (rows.numpy().T, 0) if rows.is_contiguous() else (rows.numpy(), 1)
        with _threads():  # of the other order, the lower triangle of out^T is the upper one of out
            syrk(scale, a, beta=1.0, c=out.numpy().T, trans=transposed, lower=1, overwrite_c=1)
        return
    for start in range(0, len(out), _PANEL):
        stop = start + _PANEL
        out[:stop, start:stop].addmm_(rows[:, :stop].T, rows[:, start:stop], alpha=scale)


def eigenvectors(T: Tensor) -> Tensor:
    """Return the eigenvectors [n, n] of the symmetric T (its upper triangle is read), orthogonal to rounding.

    The eigenvalues ascend.
    """
    Z = _by_openblas(T) if _by_scipy(T) and _openblas_is_faster() else torch.linalg.eigh(T, UPLO="U").eigenvectors
    defect = Z.new_zeros(Z.shape)
    add_gram(defect, Z)
    defect = defect.triu() + defect.triu(1).T
    defect.diagonal().sub_(1.0)
    return Z.addmm_(Z.clone(), defect, alpha=-0.5)  # one Newton-Schulz step


def _by_openblas(T: Tensor) -> Tensor:
    syevd = lapack.dsyevd if T.dtype == torch.float64 else lapack.ssyevd
    with _threads():
        _, vectors, failed = syevd(T.numpy().T, lower=1)
    return torch.linalg.eigh(T, UPLO="U").eigenvectors if failed else torch.from_numpy(vectors).contiguous()


def _by_scipy(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and has_data(tensor) and tensor.numel() > 0


@cache
def _openblas_is_faster() -> bool:
    """Return whether torch would call MKL on a CPU that is not Intel's."""
    try:
        vendor = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return torch.backends.mkl.is_available() and "GenuineIntel" not in vendor


def _threads() -> AbstractContextManager:
    """A context in which scipy's BLAS takes as many threads as torch."""
    return _libraries().limit(limits=torch.get_num_threads(), user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
