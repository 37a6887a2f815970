import platform

import pytest
import torch

from frod_bench.train import memory


def test_the_peak_grows_with_what_is_held():
    before, kind = memory.peak_memory(torch.device("cpu"))
    held = torch.ones(2**25)  # 128 MiB
    after, _ = memory.peak_memory(torch.device("cpu"))
    assert kind == "process"
    assert after >= before
    assert after >= held.nbytes


def test_elsewhere_than_linux_the_system_call_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent")
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "absent/too")
    memory.reset_peak()
    peak, kind = memory.peak_memory(torch.device("cpu"))
    assert kind == "process"
    assert peak > 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give memory back themselves")
def test_a_new_peak_leaves_out_what_was_freed():
    torch.ones(2**22)  # glibc keeps pieces of this size from now on
    held = [torch.ones(2**18) for _ in range(512)]  # 1 MiB each
    full, _ = memory.peak_memory(torch.device("cpu"))
    last = held[-1]
    held.clear()
    memory.reset_peak()
    left, _ = memory.peak_memory(torch.device("cpu"))
    assert left < full - 400 * 2**20 and last.numel()
