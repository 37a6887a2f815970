"""Frozen matrices in four bits: NF4 in blocks of 64 with double quantisation of the scales (Dettmers et al. 2023,
arXiv 2305.14314, section 3), by bitsandbytes, on CUDA and on a CPU.

Importing this module raises RequestError if bitsandbytes is not installed or does not load.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from frod_bench.adapters import base_weight
from frod_bench.adapters.offloaded_base import OffloadsBase
from frod_bench.errors import RequestError
from frod_bench.linalg.shapes import has_data

try:
    import bitsandbytes as bnb
    from bitsandbytes.functional import QuantState
except Exception as error:  # a wheel for another CUDA or CPU can raise anything
    raise RequestError(
        f"A four-bit base needs bitsandbytes, which does not load here ({error}). Type: pip install bitsandbytes"
    ) from error

BLOCK, SCALES = 64, 256  # entries per scale; scales per second-level scale
NF4_ERROR = 0.1  # relative, for normal entries: 0.092 by definition, up to 0.096 measured


class Nf4Matrix(nn.Module):
    """A frozen matrix M [k, m] in packed NF4; a block is 64 consecutive entries in row order, the last one zero-padded.

    bitsandbytes receives one block per row, because its kernel for AVX-512 (0.50.2) reads the scales of other blocks if
    the length of a row is not a multiple of 64. If its result is still wrong, `dequantise` is used instead.
    """

    packed: Tensor

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.shape, self.dtype = matrix.shape, matrix.dtype
        exact = matrix.float() if matrix.dtype == torch.float64 else matrix
        blocks = nn.functional.pad(exact.reshape(-1), (0, -matrix.numel() % BLOCK)).view(-1, BLOCK)
        packed, self.state = _quantise(blocks)
        self.register_buffer("packed", packed, persistent=False)
        self.read: Callable[[Tensor, QuantState], Tensor] = bnb.functional.dequantize_4bit
        if self.state is not None and not _agree(self.read(packed, self.state), dequantise(packed, self.state)):
            self.read = dequantise

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        if self.state is not None:
            self.state.to(self.packed.device)
        return self

    def dense(self) -> Tensor:
        """Return M in the precision that it was given in."""
        if self.state is None:
            return self.packed.new_empty(self.shape, dtype=self.dtype)
        return self.read(self.packed, self.state).view(-1)[: self.shape.numel()].view(self.shape).to(self.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x M [..., m] of x [..., k]; backward dequantises again rather than keeping M."""
        return _Product.apply(x, self, False)

    def transposed(self, x: Tensor) -> Tensor:
        """Return x M^T [..., k] of x [..., m], as `forward` does."""
        return _Product.apply(x, self, True)


def _quantise(blocks: Tensor) -> tuple[Tensor, QuantState | None]:
    """Return the packed codes and the scales of blocks [N, 64]; for blocks without values, an empty buffer and None."""
    if has_data(blocks):
        return bnb.functional.quantize_4bit(blocks, blocksize=BLOCK, compress_statistics=True, quant_type="nf4")
    return blocks.new_empty(blocks.numel() // 2 + len(blocks), 1, dtype=torch.uint8), None


def dequantise(packed: Tensor, state: QuantState) -> Tensor:
    """Return the blocks [N, 64] by the definition of NF4: a code times the scale of its block.

    A scale is itself an 8-bit code times the scale of its block of 256, plus the mean of all scales.
    """
    inner = state.state2
    scales = inner.code[state.absmax.int()] * inner.absmax.repeat_interleave(SCALES)[: len(state.absmax)]
    codes = torch.stack([packed >> 4, packed & 15], dim=-1).view(-1, BLOCK)
    return (state.code[codes.int()] * (scales + state.offset)[:, None]).to(state.dtype)


def _agree(read: Tensor, defined: Tensor) -> bool:
    """Return whether two dequantised copies of the same blocks agree to the rounding of bfloat16."""
    return torch.allclose(read.float(), defined.float(), rtol=1e-2, atol=0.0, equal_nan=True)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, matrix: Nf4Matrix, transposed: bool) -> Tensor:
        ctx.matrix, ctx.transposed = matrix, transposed
        return x @ _oriented(matrix, transposed, x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient @ _oriented(ctx.matrix, not ctx.transposed, gradient.dtype), None, None


def _oriented(matrix: Nf4Matrix, transposed: bool, dtype: torch.dtype) -> Tensor:
    dense = matrix.dense().to(dtype)
    return dense.T if transposed else dense


class Nf4Linear(OffloadsBase, nn.Linear):  # type: ignore[override]  # shape and weight are the offloaded layer's
    """Replaces an `nn.Linear` or `Conv1D` [m, n]: the weight in four bits, the bias unchanged."""

    def __init__(self, base: nn.Linear):
        nn.Module.__init__(self)  # nn.Linear would allocate a weight
        self.matrix = Nf4Matrix(base_weight(base).detach())
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach().clone(), requires_grad=False)
        self.train(base.training)
        self.offload(base)

    def dense(self) -> Tensor:
        """Return the weight [m, n] in its original dtype."""
        return self.matrix.dense()

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b [..., m] of x [..., n], in the dtype of x or of autocast."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        y = self.matrix.transposed(x.to(dtype))
        return y if self.bias is None else y + self.bias.to(dtype)
