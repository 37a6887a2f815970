"""`bench ops`: the products with M by pattern, and the ways to compute a layer, against the cost model."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from frod_bench.adapters.frod import FrodLinear
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.bench.contenders import Setting
from frod_bench.bench.timing import Progress, now
from frod_bench.errors import RunFailure
from frod_bench.ops.diag_sparse import PATTERNS, diag_sparse_product, diag_sparse_product_transposed, sddmm
from frod_bench.ops.frod_linear import WAYS, WAYS_OF_ANY_LAYER, choose_way, ways_of_layer

_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}


def bench_ops(setting: Setting, rounds: int, progress: Progress) -> dict[str, Any]:
    """Return two tables for the setting's target shapes: our products against dense ones, and the ways of a layer.

    Raises RunFailure when a product differs from the dense one, before it is timed.
    """
    tokens = setting.architecture.tokens(setting.batch, setting.length)
    shapes = _shapes(setting)
    products, ways = [], []
    for n, kind in itertools.product(sorted({n for _, n in shapes}), PATTERNS):
        progress.say(f"products: n {n}, {kind}")
        products += _products(setting, n, kind, tokens, rounds)
    for m, n in shapes:
        progress.say(f"ways: layer {m} x {n}")
        ways.append(_ways(setting, m, n, tokens, rounds))
    return {"rows": ways, "products": products}


def _shapes(setting: Setting) -> list[tuple[int, int]]:
    """Return the distinct shapes (m, n) of the target layers."""
    backbone = setting.architecture.backbone
    return sorted(set(backbone.architecture.narrowed(setting.narrow).target_shapes(backbone.targets)))


def _products(setting: Setting, n: int, kind: str, tokens: int, rounds: int) -> list[dict[str, Any]]:
    device, dtype = setting.device, setting.dtype
    pattern = PATTERNS[kind](n, setting.sparsity, seed=0).to(device)
    values, diagonal = (torch.randn(k, device=device).to(dtype) for k in (pattern.nnz, n))
    z, h = (torch.randn(n, tokens, device=device).to(dtype) for _ in range(2))
    M = pattern.dense(values, diagonal)
    calls: dict[str, tuple[Callable, Callable]] = {
        "M z": (lambda: diag_sparse_product(pattern, values, diagonal, z), lambda: M @ z),
        "M^T z": (lambda: diag_sparse_product_transposed(pattern, values, diagonal, z), lambda: M.T @ z),
        "entries of h z^T": (lambda: sddmm(pattern, h, z)[0], lambda: h @ z.T),
    }
    rows = []
    for name, (ours, dense) in calls.items():
        wanted = dense()
        wanted = wanted[pattern.rows, pattern.cols] if wanted.shape != z.shape or name.startswith("entries") else wanted
        error = ((ours().float() - wanted.float()).norm() / wanted.float().norm()).item()
        if not error <= _TOLERANCE[dtype]:
            raise RunFailure(f"{name} of a {kind} pattern, n {n}, is off by {error:.2g}; nothing is timed.")
        times = _in_turns({"ours": ours, "dense": dense}, {"z": z}, rounds)
        cost = pattern.column_cost(dtype, device.type) / n**2
        row = {"n": n, "tokens": tokens, "pattern": kind, "product": name}
        row |= {"ms": times["ours"], "dense_ms": times["dense"]}
        rows.append(row | {"over_dense": times["ours"] / times["dense"], "cost_model": cost})
    return rows


def _ways(setting: Setting, m: int, n: int, tokens: int, rounds: int) -> dict[str, Any]:
    device, dtype = setting.device, setting.dtype
    base = nn.Linear(n, m).to(device, dtype).requires_grad_(False)
    pattern = PATTERNS["random"](n, setting.sparsity, seed=0)
    U, Vt, inverse = (torch.randn(k, n, device=device, dtype=dtype) / n**0.5 for k in (m, n, n))
    basis = FrodBasis(RightBasis(Vt, inverse), pattern)
    ways = WAYS if m >= n else WAYS_OF_ANY_LAYER
    usable = ways_of_layer(m, n, dtype, error=0.0, right_error=0.0 if m >= n else 1.0)
    x = torch.randn(tokens, n, device=device, dtype=dtype, requires_grad=True)
    grad = torch.randn(tokens, m, device=device, dtype=dtype)
    layers = {"frozen": base} | {way: FrodLinear(base, U, torch.rand(n), basis, way, right_error=0.0) for way in ways}

    def pass_through(layer: nn.Module) -> Callable[[], None]:
        return lambda: layer(x).backward(grad)

    times = _in_turns({name: pass_through(layer) for name, layer in layers.items()}, {"x": x}, rounds)
    chosen = choose_way(tokens, m, n, n, pattern.column_cost(dtype, device.type), dtype, ways=usable)
    fastest = min(ways, key=times.__getitem__)
    return (
        {"m": m, "n": n, "tokens": tokens}
        | {f"{name}_ms": times.get(name) for name in ("frozen", *WAYS)}
        | {"chosen": chosen, "fastest": fastest, "chosen_over_fastest": times[chosen] / times[fastest]}
        | {"chosen_over_frozen": times[chosen] / times["frozen"]}
    )


def _in_turns(calls: dict[str, Callable], inputs: dict[str, torch.Tensor], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of every call: after a warm-up, each is called once per round."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name, call in calls.items():
            start = now(inputs)
            call()
            if number >= 2:
                seconds[name].append(now(inputs) - start)
    return {name: 1e3 * sorted(times)[len(times) // 2] for name, times in seconds.items()}
