"""Frozen matrices in four bits: NF4 in blocks of 64 with doubly quantised scales (Dettmers et al. 2023,
arXiv 2305.14314, section 3), by bitsandbytes, on CUDA and on a CPU.

Raises RequestError on import where bitsandbytes is not installed or does not load.
"""

import torch
from torch import Tensor, nn

from frod_bench.adapters.offloaded_base import OffloadsBase
from frod_bench.errors import RequestError
from frod_bench.linalg.shapes import has_data

try:
    import bitsandbytes as bnb
except Exception as error:  # a wheel for another CUDA or CPU fails in many ways
    raise RequestError(
        f"A four-bit base needs bitsandbytes, which does not load here ({error}). Type: pip install bitsandbytes"
    ) from error

BLOCK, SCALES = 64, 256  # entries that share a scale, scales that share one of their own
NF4_ERROR = 0.1  # relative, of a matrix of normal entries: 0.092 by the definition, up to 0.096 seen


class Nf4Matrix(nn.Module):
    """M [k, m], kept as packed NF4; a block is 64 consecutive entries, row after row, the last one padded with zeros.

    bitsandbytes gets it as rows of one block each: on a CPU with AVX-512 its kernel (0.50.2) reads the scales of other
    blocks where the length of a row is no multiple of 64. A matrix that it still reads wrongly is read by `dequantise`.
    """

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.shape, self.dtype = matrix.shape, matrix.dtype
        exact = matrix.float() if matrix.dtype == torch.float64 else matrix
        blocks = nn.functional.pad(exact.reshape(-1), (0, -matrix.numel() % BLOCK)).view(-1, BLOCK)
        packed, self.state = _quantise(blocks)
        self.register_buffer("packed", packed, persistent=False)
        self.read = bnb.functional.dequantize_4bit
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


def _quantise(blocks: Tensor) -> tuple[Tensor, object]:
    """Return the packed numbers and the scales of blocks [N, 64]; without values, what both take and None."""
    if has_data(blocks):
        return bnb.functional.quantize_4bit(blocks, blocksize=BLOCK, compress_statistics=True, quant_type="nf4")
    return blocks.new_empty(blocks.numel() // 2 + len(blocks), 1, dtype=torch.uint8), None


def dequantise(packed: Tensor, state) -> Tensor:
    """Return the blocks [N, 64] by NF4's definition: a code times the scale of its block.

    A scale is itself a code of 8 bits times the scale of its block of 256, plus the mean of all scales.
    """
    inner = state.state2
    scales = inner.code[state.absmax.int()] * inner.absmax.repeat_interleave(SCALES)[: len(state.absmax)]
    codes = torch.stack([packed >> 4, packed & 15], dim=-1).view(-1, BLOCK)
    return (state.code[codes.int()] * (scales + state.offset)[:, None]).to(state.dtype)


def _agree(read: Tensor, defined: Tensor) -> bool:
    """Return whether two readings of the same blocks are one, up to the rounding of bfloat16."""
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


class Nf4Linear(OffloadsBase, nn.Linear):
    """Stands for an `nn.Linear` [m, n], its weight in four bits and its bias as it was."""

    def __init__(self, base: nn.Linear):
        nn.Module.__init__(self)  # that of nn.Linear makes a weight
        self.matrix = Nf4Matrix(base.weight.detach())
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach().clone(), requires_grad=False)
        self.train(base.training)
        self.offload(base)

    def dense(self) -> Tensor:
        """Return the weight [m, n] in the precision that it was given in."""
        return self.matrix.dense()

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b [..., m] of x [..., n] in the precision of x, or of autocast."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        y = self.matrix.transposed(x.to(dtype))
        return y if self.bias is None else y + self.bias.to(dtype)
