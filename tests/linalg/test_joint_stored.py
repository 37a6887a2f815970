"""Joint decompositions on disk: a stored one is checked by its properties, not only by its checksum."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from frod_bench.errors import RequestError
from frod_bench.linalg import cache, joint_stored
from frod_bench.linalg.joint_stored import stored_joint_factors

SHAPES = {"more rows than inputs": [(9, 6)] * 3, "fewer rows": [(2, 9)] * 3}
every_shape = pytest.mark.parametrize("shapes", SHAPES)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))


def draw(shapes, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES[shapes]]


def factors_of(weights):
    return stored_joint_factors([f"layer {i}" for i in range(len(weights))], weights, None, 1e-3)


def rewrite(change):
    """Change the only entry of the cache and give it the checksum that goes with it."""
    (file,) = cache.cache_directory().glob("*.safetensors")
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"xxh3_128": cache._checksum(tensors)})


def scale(tensors, names, by):
    for name in tensors:
        if name.startswith(names):
            tensors[name] *= by


def no_u(tensors):
    tensors["Ut.0"].zero_()


def no_factors(tensors):
    for name, tensor in tensors.items():
        tensor.fill_(1.0 if name == "errors" else 0.0)  # of which the error is true


def other_scales(tensors):
    scale(tensors, ("Vt",), 2.0)
    scale(tensors, ("sigma",), 0.5)  # the weights are still rebuilt


def other_columns(tensors):
    scale(tensors, ("Ut",), 2.0)
    scale(tensors, ("Vt",), 0.5)


def of_other_weights(tensors):
    tensors["Ut.0"], tensors["Ut.1"] = tensors["Ut.1"], tensors["Ut.0"].clone()


def not_finite(tensors):
    tensors["sigma.1"][0] = float("nan")


def cut(tensors):
    tensors["Ut.2"] = tensors["Ut.2"][:, :1].clone()


CHANGES = [no_u, no_factors, other_scales, other_columns, of_other_weights, not_finite, cut]
CHANGES += [lambda tensors: tensors.pop("errors"), lambda tensors: tensors.update(Vt=tensors["Vt"].double())]


@every_shape
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_factors_that_are_not_of_these_weights_are_computed_again(change, shapes, capsys):
    weights = draw(shapes)
    expected = factors_of(weights)
    rewrite(change)
    assert "does not hold the decomposition" not in capsys.readouterr().err
    found = factors_of(weights)
    assert "does not hold the decomposition" in capsys.readouterr().err
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(torch.equal(factors_of(weights)[name], expected[name]) for name in expected)
    assert not capsys.readouterr().err


def odd_weights(kind, shapes, dtype):
    weights = draw(shapes, dtype=dtype)
    if kind == "scales":
        return [w * c for w, c in zip(weights, (1e-3, 1e3, 1.0), strict=True)]
    if kind == "tiny":
        return [w * c for w, c in zip(weights, (1e-30, 1.0, 1.0), strict=True)]
    if kind == "a zero layer":
        return [weights[0], torch.zeros_like(weights[0]), weights[1]]
    if kind == "zeros":
        return [torch.zeros_like(w) for w in weights]
    return [weights[0]] * 3  # one layer three times


@every_shape
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", ["scales", "tiny", "a zero layer", "zeros", "duplicates"])
def test_what_was_computed_is_found_again_whatever_the_weights(kind, dtype, shapes, monkeypatch, capsys):
    weights = odd_weights(kind, shapes, dtype)
    expected = factors_of(weights)
    monkeypatch.setattr(joint_stored, "joint_decomposition", lambda *_: pytest.fail("the entry is there"))
    assert all(torch.equal(value, expected[name]) for name, value in factors_of(weights).items())
    assert not capsys.readouterr().err


@every_shape
def test_weights_too_large_for_their_precision_are_refused(shapes):
    weights = draw(shapes)
    with pytest.raises(RequestError, match=r"weight of layer 1 cannot be decomposed: .* 3e\+38 its products overflow"):
        factors_of([weights[0], weights[1].sign() * 3e38, weights[2]])
    with pytest.raises(RequestError, match="weight of layer 2 holds NaN or infinity"):
        factors_of([weights[0], weights[1], weights[2] * float("nan")])
