"""What a GPU would execute, on fake CUDA tensors: devices, dtypes and shapes are checked without values or a GPU.

A host read of values and a tensor on the wrong device raise there. Autograd's engine needs a real CUDA context, so the
hand-written backward passes are called directly.
"""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, unset_fake_temporarily

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.ops.diag_sparse import PATTERNS, tiled, unstructured
from frod_bench.ops.frod_linear import RIGHT_WAYS, WAYS
from frod_bench.ops.frod_linear.factored import _Factored, _Projected, _Whole
from frod_bench.ops.frod_linear.merged import _Merged, merge_weight
from frod_bench.ops.frod_linear.right import _RightMerged, right_factor

SIDES = [(24, 24, False), (40, 24, False), (24, 40, False), (24, 40, True)]
TOKENS = 6
every_side = pytest.mark.parametrize(("m", "n", "short"), SIDES)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])


@pytest.fixture(autouse=True)
def fake():
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


def make_layer(m, n, short, dtype, kind="random", way=None):
    k, own = (m, n) if short else (n, m)
    kinds = {"device": "cuda", "dtype": dtype}
    base = nn.Linear(n, m, **kinds).requires_grad_(False)
    right = RightBasis(*(torch.empty(k, k, **kinds) for _ in range(2)))
    with unset_fake_temporarily():  # patterns are drawn on the host
        pattern = PATTERNS[kind](k, 0.1, seed=0)
    basis = FrodBasis(right, pattern.to(torch.device("cuda")))
    error = 0.0 if own >= k else 1.0
    return FrodLinear(base, torch.empty(own, k, **kinds), torch.empty(k), basis, way, short=short, right_error=error)


def assert_like(tensor, other, shape=None):
    assert tensor.device.type == "cuda" and tensor.dtype == other.dtype
    assert tensor.shape == (other.shape if shape is None else shape)


@pytest.mark.parametrize("way", [None, *WAYS])
@every_dtype
@every_side
def test_forward_evaluation_and_merging(m, n, short, dtype, way):
    layer, x = make_layer(m, n, short, dtype, way=way), torch.empty(2, TOKENS, n, device="cuda", dtype=dtype)
    for training in (True, False):
        assert_like(layer.train(training)(x), x, (2, TOKENS, m))
        with torch.no_grad():
            assert_like(layer(x), x, (2, TOKENS, m))
    assert_like(layer.merged_weight(), layer.W)
    assert {p.device.type for p in (*layer.parameters(), *layer.buffers())} == {"cuda"}
    assert set(layer.state_dict()) == {"sigma", "values", "_extra_state", "base_layer.weight", "base_layer.bias"}


class Context:
    """What autograd hands to a forward and a backward pass."""

    def __init__(self, inputs):
        self.needs_input_grad = [isinstance(value, torch.Tensor) and value.is_floating_point() for value in inputs]

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def set_materialize_grads(self, value):
        pass


def check(function, *inputs):
    """Run both passes; every gradient has to be as its input is."""
    context = Context(inputs)
    with torch.no_grad():
        outputs = function.forward(context, *inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        gradients = function.backward(context, *map(torch.empty_like, outputs))
    found = 0
    for gradient, value in zip(gradients, inputs, strict=True):
        if gradient is not None:
            assert_like(gradient, value)
            found += 1
    return found


@pytest.mark.parametrize("kind", PATTERNS)
@every_dtype
@every_side
def test_backward_passes(m, n, short, dtype, kind, monkeypatch):
    for module in (unstructured, tiled):  # run what the operators stand for
        monkeypatch.setattr(module, "runs_directly", lambda tensor: True)
    layer, x = make_layer(m, n, short, dtype, kind), torch.empty(TOKENS, n, device="cuda", dtype=dtype)
    (L, R), pattern, k = layer.factors, layer.basis.pattern, layer.basis.pattern.n
    numbers = layer.values, layer.sigma
    z = torch.empty(k, TOKENS, device="cuda", dtype=dtype)
    assert check(_Projected, x, R) == 1
    assert check(_Factored, z, L, *numbers, layer.bias, pattern) == 3
    assert check(_Whole, x, R, L, *numbers, layer.bias, pattern) == 3
    merged = merge_weight(layer.W, L, R, *numbers, pattern)
    for recompute in (False, True):
        assert check(_Merged, x, layer.W, merged, L, R, *numbers, layer.bias, pattern, recompute) == 3
    if not set(RIGHT_WAYS) & set(layer.ways):
        return
    A, B, values, delta, _ = layer._right_arguments(dtype)
    D = right_factor(A, B, values, delta, pattern)
    t = torch.empty(TOKENS, k, device="cuda", dtype=dtype)
    for offset in (None, layer.bias if short else torch.empty(k, device="cuda", dtype=dtype)):
        assert check(_RightMerged, t, offset, A, B, values, delta, pattern, D) == 3


def test_a_tensor_on_the_wrong_device_and_a_host_read_fail():
    layer, x = make_layer(24, 24, False, torch.float32, way="factored"), torch.empty(TOKENS, 24, device="cuda")
    with pytest.raises(Exception, match="cpu"):
        layer.train()(torch.empty(TOKENS, 24))
    with pytest.raises(DataDependentOutputException):
        x.sum().item()
