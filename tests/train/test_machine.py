"""What a run is computed with: told, kept with the run, and put back where it can be."""

from types import SimpleNamespace

import pytest
import torch

from frod_bench.train import machine as module
from frod_bench.train.machine import differences, machine, threads_of, with_segment

HERE = {"device": "cpu", "threads": 2, "cpu": "X", "instructions": "AVX2", "processes": 1, "torch": "2"}
CPU = SimpleNamespace(device=torch.device("cpu"), num_processes=1, is_main_process=True)


def test_a_cpu_is_known_by_what_its_bits_depend_on():
    found = machine(CPU)
    assert set(found) == set(HERE)
    assert found["threads"] == torch.get_num_threads() and found["torch"] == torch.__version__
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability() and found["cpu"]


def test_a_segment_begins_where_something_is_other():
    one = with_segment([], HERE, 1, 1)
    assert one == [{"from_epoch": 1, "from_step": 1} | HERE]
    assert with_segment(one, HERE, 2, 9) == one
    two = with_segment(one, HERE | {"threads": 1}, 2, 9)
    assert two == [*one, {"from_epoch": 2, "from_step": 9} | HERE | {"threads": 1}]


@pytest.mark.parametrize("key", HERE)
def test_every_difference_is_told(key):
    begun = with_segment([], HERE, 1, 1)
    assert differences(begun, HERE) == differences([], HERE) == []
    assert differences(begun, HERE | {key: "other"}) == [f"{key}: {HERE[key]}, now other"]


def test_another_kind_of_device_is_told():
    gpu = {"device": "H100", "processes": 1, "torch": "2"}
    assert differences(with_segment([], HERE, 1, 1), gpu) == [
        "device: cpu, now H100", "threads: 2, now none", "cpu: X, now none", "instructions: AVX2, now none",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begun", "cores", "device", "used"),
    [(3, 4, "cpu", 3), (3, 3, "cpu", 3), (3, 2, "cpu", None), (None, 4, "cpu", None), (3, 4, "cuda", None)],
)
@pytest.mark.parametrize("bad", [False, True])
def test_the_threads_are_those_that_a_run_was_begun_with(monkeypatch, capsys, begun, cores, device, used, bad):
    monkeypatch.setattr(module, "_cores", lambda: cores)
    before = torch.get_num_threads()
    segments = [HERE | {"threads": 9}, HERE | {"threads": "many" if bad else begun}]
    accelerator = SimpleNamespace(device=torch.device(device), is_main_process=True)
    with threads_of(segments, accelerator):
        changed = used is not None and not bad
        assert torch.get_num_threads() == (used if changed else before)
    assert torch.get_num_threads() == before
    said = f"The run began with threads=3 and keeps that instead of {before}: its last bits depend on it.\n"
    assert capsys.readouterr().out == (said if changed else "")
    with threads_of([], accelerator):
        assert torch.get_num_threads() == before
