"""Updates from files: exact differences, whole-model thresholds, and the memory of one layer whatever their number."""

import subprocess
import sys

import pytest
import torch

from frod_bench.errors import RequestError
from frod_bench.merging.task_vectors import TaskVectors

SHAPES = {"a.weight": (6, 5), "b.weight": (4, 7), "b.bias": (4,), "unchanged": (3,)}


def weights(seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return {name: scale * torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


@pytest.fixture
def runs(tmp_path):
    """The base, three runs, and their task vectors."""
    base = weights(0)
    own = [{name: base[name] + t for name, t in weights(seed, 0.1 * seed).items()} for seed in (1, 2, 3)]
    for run in own:
        run["unchanged"] = base["unchanged"]
    own[1]["b.bias"] = base["b.bias"]
    vectors = TaskVectors(tmp_path / "work")
    vectors.write_base(base.items())
    for run in own:
        vectors.add(run.items(), {})
    return base, own, vectors


def test_only_what_changed_is_kept_and_differences_are_exact(runs):
    base, own, vectors = runs
    assert vectors.names() == ["a.weight", "b.weight", "b.bias"]
    for name in vectors.names():
        deltas = vectors.deltas(name)
        for run, delta in zip(own, deltas, strict=True):
            assert torch.equal((base[name].double() + delta).float(), run[name])
    assert not vectors.deltas("b.bias")[1].any()


def test_ties_trims_over_the_whole_model(runs):
    base, own, vectors = runs
    names = vectors.names()
    deltas = [torch.cat([(run[n].double() - base[n].double()).flatten() for n in names]) for run in own]
    kept = [torch.where(d.abs() >= d.abs().float().sort().values[-int(0.2 * len(d))] - 1e-9, d, 0) for d in deltas]
    signs = torch.stack(kept).sum(0).sign()
    agree = torch.stack([k * (k.sign() == signs) for k in kept])
    expected = agree.sum(0) / (agree != 0).sum(0).clamp(min=1)
    merged = torch.cat([tensor.flatten() for _, tensor in vectors.merged("ties", 0.2, 0)])
    torch.testing.assert_close(merged, expected, rtol=0, atol=1e-12)
    shares = [(tensor != 0).float().mean().item() for _, tensor in vectors.merged("ties", 0.2, 0)]
    assert max(shares) - min(shares) > 0.05  # layers are not trimmed each by itself


def test_another_model_is_refused(runs):
    with pytest.raises(RequestError, match="different models"):
        runs[2].add([("a.weight", torch.zeros(2, 2))], {})


_PEAK = """
import sys, torch
from pathlib import Path
from frod_bench.merging.layers import LayerFiles
from frod_bench.merging.task_vectors import TaskVectors

layers, folder = int(sys.argv[1]), Path(sys.argv[2])
def model(seed):
    generator = torch.Generator().manual_seed(seed)
    return ((f"{n}.weight", torch.randn(512, 2048, generator=generator)) for n in range(layers))

vectors = TaskVectors(folder / "work")
vectors.write_base(model(0))
for seed in (1, 2):
    vectors.add(model(seed), {})
update = LayerFiles(folder / "update")
for name, tensor in vectors.merged("ties", 0.2, 0):
    update.write(name, tensor)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_more_layers_take_no_more_memory(tmp_path):
    """4 MiB a layer: the updates of 32 more layers of two runs, in float64, would be 512 MiB."""
    command = [sys.executable, "-c", _PEAK]
    few, many = (
        int(subprocess.run([*command, str(n), str(tmp_path / str(n))], check=True, capture_output=True).stdout)
        for n in (4, 36)
    )
    assert many - few < 100 * 1024  # KiB
