"""Frozen matrices in four bits: NF4 in blocks of 64 with doubly quantised scales (Dettmers et al. 2023,
arXiv 2305.14314, section 3), by bitsandbytes, on CUDA and on a CPU.

Raises RequestError on import where bitsandbytes is not installed or does not load.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils.flop_counter import register_flop_formula

from frod_bench.adapters.waiting import StandsFor
from frod_bench.errors import RequestError
from frod_bench.linalg.shapes import has_data

try:
    import bitsandbytes as bnb
except Exception as error:  # a wheel for another CUDA or CPU fails in many ways
    raise RequestError(
        f"A four-bit base needs bitsandbytes, which does not load here ({error}). Type: pip install bitsandbytes"
    ) from error

_NF4 = {"compress_statistics": True, "quant_type": "nf4"}


class Nf4Matrix(nn.Module):
    """M [k, m], kept as packed NF4; a block is 64 consecutive entries, row after row."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.shape, self.dtype = matrix.shape, matrix.dtype
        packed, self.state = _quantise(matrix.contiguous())
        self.register_buffer("packed", packed, persistent=False)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        if self.state is not None:
            self.state.to(self.packed.device)
        return self

    def dense(self) -> Tensor:
        """Return M in the precision that it was given in."""
        if self.state is None:
            return self.packed.new_empty(self.shape, dtype=self.dtype)
        return bnb.functional.dequantize_4bit(self.packed, self.state)

    def forward(self, x: Tensor) -> Tensor:
        """Return x M [..., m] of x [..., k]; backward dequantises again rather than keeping M."""
        return _Product.apply(x, self)


def _quantise(matrix: Tensor) -> tuple[Tensor, object]:
    """Return the packed numbers and the scales; of a matrix without values, what both take and None."""
    if has_data(matrix):
        return bnb.functional.quantize_4bit(matrix, blocksize=64, **_NF4)
    packed, scales = matrix.numel() // 2, matrix.numel() // 64
    return matrix.new_empty(packed + scales, 1, dtype=torch.uint8), None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, matrix: Nf4Matrix) -> Tensor:
        ctx.matrix = matrix
        return x @ matrix.dense().to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient @ ctx.matrix.dense().to(gradient.dtype).T, None


class Nf4Linear(StandsFor, bnb.nn.Linear4bit):
    """Stands for an `nn.Linear` [m, n]; the library's layer without two side effects of its forward pass.

    On a CPU with AVX512-BF16 that repacks the weight at the first evaluation, after which no gradient flows
    through the layer any more; and it casts the bias in place.
    """

    def __init__(self, base: nn.Linear):
        with unset_fake_temporarily():  # the library's parameters have a class of their own, which those have not
            super().__init__(base.in_features, base.out_features, bias=False, device="meta", **_NF4)
        if has_data(base.weight):
            weight = bnb.nn.Params4bit(base.weight.detach().cpu().clone(), requires_grad=False, module=self, **_NF4)
            self.weight = weight.to(base.weight.device)  # quantises
        else:
            self.stand_in = Nf4Matrix(base.weight.detach().T)
            self.weight = nn.Parameter(self.stand_in.packed, requires_grad=False)
            vars(self.weight).update(_NF4)  # as PEFT asks for them
        if base.bias is not None:
            self.bias = nn.Parameter(base.bias.detach().clone(), requires_grad=False)
        self.train(base.training)
        self.wait(base)

    def dense(self) -> Tensor:
        """Return the weight [m, n] in the precision that it was given in."""
        return bnb.functional.dequantize_4bit(self.weight.data, self.weight.quant_state)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b [..., m] of x [..., n] in the precision of x, or of autocast."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        bias = None if self.bias is None else self.bias.to(dtype)
        if not has_data(self.weight):
            y = self.stand_in(x.to(dtype))
            return y if bias is None else y + bias
        return bnb.matmul_4bit(x.to(dtype), self.weight, bias=bias, quant_state=self.weight.quant_state)


if hasattr(torch.ops.bitsandbytes, "gemm_4bit"):  # a dense product that torch has no formula for

    @register_flop_formula(torch.ops.bitsandbytes.gemm_4bit)
    def _product_flops(x_shape, packed_shape, shape, *_, **__) -> int:
        return 2 * prod(x_shape) * shape[0]
