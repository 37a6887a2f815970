"""NF4 against its definition written out in float64 (Dettmers et al. 2023, arXiv 2305.14314, appendix E)."""

import copy
import pickle

import pytest
import torch
from torch import nn

from frod_bench.adapters import nf4
from frod_bench.adapters.nf4 import Nf4Linear, Nf4Matrix, dequantise

CODES = torch.tensor(
    [
        *(-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0),
        *(0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0),
    ],
    dtype=torch.float64,
)
SHAPES = [(64, 64), (32, 32), (64, 32), (40, 80), (16, 96), (128, 192), (8, 24), (7, 10), (5, 7), (1, 1)]
SCALES = 6e-3  # what the 8 bits of a scale may add
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])


def rounded(matrix):
    """Return the matrix with every entry at the nearest code times the largest entry of its block, in float64."""
    entries = matrix.double().flatten()
    blocks = nn.functional.pad(entries, (0, -len(entries) % 64)).view(-1, 64)
    scale = blocks.abs().amax(dim=1, keepdim=True)
    nearest = ((blocks / scale)[..., None] - CODES).abs().argmin(dim=-1)
    return (CODES[nearest] * scale).flatten()[: len(entries)].view(matrix.shape)


def assert_close(actual, expected, tolerance=SCALES):
    assert (actual.double() - expected).norm() <= tolerance * expected.norm()


def drawn(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@every_dtype
@every_shape
def test_the_matrix_is_that_of_the_definition(shape, dtype):
    matrix = drawn(*shape, dtype=dtype)
    held = Nf4Matrix(matrix)
    assert (held.dense().shape, held.dense().dtype) == (matrix.shape, dtype)
    assert_close(held.dense(), rounded(matrix))
    assert held.packed.dtype == torch.uint8 and held.packed.numel() == 32 * -(-matrix.numel() // 64)


@every_dtype
@every_shape
def test_the_layer_computes_with_it(shape, dtype):
    base = nn.Linear(shape[1], shape[0], dtype=dtype)
    base.weight.data.copy_(drawn(*shape))
    x, expected = drawn(6, shape[1], dtype=dtype), rounded(base.weight.detach())
    layer = Nf4Linear(base)
    bias = base.bias.detach().double()
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            y = layer.train(mode)(x)
        assert y.dtype == dtype
        assert_close(y - layer.bias, x.double() @ expected.T, 2 * SCALES if dtype.itemsize > 2 else 2e-2)
    assert torch.equal(layer.bias.double(), bias)
    x.requires_grad_(True)
    layer(x).sum().backward()
    assert_close(x.grad, expected.sum(dim=0).expand_as(x), 5e-2 if dtype.itemsize == 2 else 2 * SCALES)


@every_shape
def test_a_kernel_that_reads_wrongly_is_not_used(shape, monkeypatch):
    """As that of a CPU with AVX-512 does for rows that are no multiple of a block: with the scales of other blocks."""
    held = Nf4Matrix(drawn(*shape))
    assert held.read is not dequantise
    kernel = held.read
    monkeypatch.setattr(nf4.bnb.functional, "dequantize_4bit", lambda packed, state: 1.02 * kernel(packed, state))
    other = Nf4Matrix(drawn(*shape))
    assert other.read is dequantise
    torch.testing.assert_close(other.dense(), held.dense(), rtol=1e-5, atol=1e-6)


def test_copies_and_pickles_compute_the_same():
    layer = Nf4Linear(nn.Linear(48, 32))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(torch.ones(2, 48)), layer(torch.ones(2, 48)))


def test_a_scale_is_quantised_too():
    state = Nf4Matrix(torch.randn(512, 256)).state
    assert (state.quant_type, state.blocksize, state.nested, state.state2.blocksize) == ("nf4", 64, True, 256)
    assert state.absmax.dtype == torch.uint8 and state.absmax.numel() == 256 * 512 // 64


@pytest.mark.gpu
@every_dtype
@every_shape
def test_the_matrix_is_that_of_the_definition_on_a_gpu(shape, dtype):
    matrix = drawn(*shape, dtype=dtype)
    made_there, moved_there = Nf4Matrix(matrix.cuda()), Nf4Matrix(matrix).cuda()
    for held in (made_there, moved_there):
        assert held.dense().device.type == "cuda" and held.dense().dtype == dtype
        assert_close(held.dense().cpu(), rounded(matrix))
