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
