"""Chosen parts of the singular value decomposition."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from frod_bench.linalg import cache
from frod_bench.linalg.svd import leading_triplets, minor_triplets, singular_factors, stored_singular_factors


def test_factors_of_chosen_triplets():
    weight = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    assert minor_triplets(weight.shape, 2) == [3, 4]
    B, A = singular_factors(weight, range(5))
    assert B.shape == (7, 5) and A.shape == (5, 5)
    torch.testing.assert_close(B @ A, weight)


def test_segments_of_the_spectrum():
    assert leading_triplets((24, 16), 4, 2) == [0, 1, 4, 5, 8, 9, 12, 13]
    assert leading_triplets((7, 5), 2, 1) == [0, 2]


def test_factors_from_the_disk_are_those_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    weights = [torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((7, 5), (4, 6))]
    triplets = [[0, 3], [1]]
    computed, stored = (stored_singular_factors(weights, triplets) for _ in range(2))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    for weight, chosen, first, again in zip(weights, triplets, computed, stored, strict=True):
        for expected, a, b in zip(singular_factors(weight, chosen), first, again, strict=True):
            assert torch.equal(expected, a) and torch.equal(a, b)


@pytest.mark.parametrize("kind", ["zero", "scaled", "other", "not finite", "fewer"])
def test_stored_factors_that_are_not_of_these_weights_are_computed_again(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    weights = [torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((7, 5), (4, 6))]
    triplets = [[0, 3], [1]]
    expected = stored_singular_factors(weights, triplets)
    (file,) = tmp_path.rglob("*.safetensors")
    tensors = load_file(file)
    if kind == "zero":
        tensors = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    elif kind == "scaled":
        tensors = {name: tensor * (2.0 if name[0] == "A" else 0.5) for name, tensor in tensors.items()}
    elif kind == "other":
        tensors = {name: torch.randn(tensor.shape) for name, tensor in tensors.items()}
    elif kind == "not finite":
        tensors["A.1"][0, 0] = float("inf")
    else:
        tensors["A.0"], tensors["B.0"] = tensors["A.0"][:1].clone(), tensors["B.0"][:, :1].clone()
    save_file(tensors, file, metadata={"xxh3_128": cache._checksum(tensors)})
    found = stored_singular_factors(weights, triplets)
    assert all(torch.equal(a, b) for pair in zip(found, expected, strict=True) for a, b in zip(*pair, strict=True))
    assert "does not hold the decomposition" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["zero", "low rank", "graded", "bfloat16"])
def test_stored_factors_of_any_weight_are_found_again(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    weight = torch.randn(24, 16, generator=torch.Generator().manual_seed(0))
    if kind == "zero":
        weight.zero_()
    elif kind == "low rank":
        weight = weight[:, :3] @ weight[:3]
    elif kind == "graded":
        weight *= torch.logspace(-12, 3, 16)
    else:
        weight = weight.bfloat16()
    for triplets in ([0, 1, 2, 3], minor_triplets(weight.shape, 4)):
        stored_singular_factors([weight], [triplets])
        stored_singular_factors([weight], [triplets])
    assert not capsys.readouterr().err


@pytest.mark.gpu
def test_factors_on_a_gpu():
    weight = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    B, A = singular_factors(weight.cuda(), range(6))
    torch.testing.assert_close((B @ A).cpu(), weight, rtol=1e-5, atol=1e-5)
