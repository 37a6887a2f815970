"""The disk cache of decompositions: entries are found again, damaged ones recomputed, and failures survived."""

import os
import tempfile
import threading
from pathlib import Path

import pytest
import torch

from frod_bench import disk_cache
from frod_bench.linalg.cache import cache_directory, cached, entry_key


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))


def tensors():
    return {"U": torch.arange(6.0).reshape(2, 3), "half": torch.ones(3, dtype=torch.bfloat16), "none": torch.zeros(0)}


def anything(tensors):
    return True


def must_not_compute():
    raise AssertionError("the entry is there")


def test_an_entry_is_computed_once():
    first, again = cached("a", tensors, anything), cached("a", must_not_compute, anything)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "other"])
def test_a_damaged_entry_is_computed_again(damage):
    cached("a", tensors, anything)
    file = cache_directory() / "a.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(
        {"flipped": bytes(content), "cut": bytes(content[:40]), "emptied": b"", "other": b"x" * 400}[damage]
    )
    assert torch.equal(cached("a", tensors, anything)["U"], tensors()["U"])
    assert torch.equal(cached("a", must_not_compute, anything)["U"], tensors()["U"])


def test_an_entry_that_does_not_fit_is_computed_again(capsys):
    cached("a", tensors, anything)
    for fits in (lambda found: False, lambda found: found["missing"].any(), lambda found: found["U"] @ found["U"]):
        assert torch.equal(cached("a", tensors, fits)["U"], tensors()["U"])
        assert "does not hold the decomposition" in capsys.readouterr().err
    assert not torch.equal(cached("b", lambda: {"U": torch.full((1,), float("nan"))}, anything)["U"], torch.zeros(1))
    assert torch.equal(cached("b", lambda: {"U": torch.zeros(1)}, anything)["U"], torch.zeros(1))


def test_the_key_follows_content_shape_dtype_and_options():
    weight = torch.arange(6.0).reshape(2, 3)
    changed = weight.clone()
    changed[1, 2] += 1e-6
    keys = {
        entry_key([weight], "x"),
        entry_key([changed], "x"),
        entry_key([weight.reshape(3, 2)], "x"),
        entry_key([weight.double()], "x"),
        entry_key([weight], "y"),
        entry_key([weight, weight], "x"),
    }
    assert len(keys) == 6
    assert entry_key([weight], "x") == entry_key([weight.t().contiguous().t()], "x")


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch):
    monkeypatch.setenv("FROD_BENCH_CACHE", "/proc/nowhere")
    assert torch.equal(cached("a", tensors, anything)["U"], tensors()["U"])


def test_of_two_at_once_one_computes():
    started, release, count = threading.Event(), threading.Event(), []

    def slow():
        count.append(1)
        started.set()
        release.wait(10)
        return tensors()

    threads = [threading.Thread(target=cached, args=("a", slow, anything)) for _ in range(2)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(count) == 1


@pytest.fixture
def shared(monkeypatch):
    """A cache of somebody else: returns a function (mode of its folder, mode of the entry "a") after which it is."""
    root = os.geteuid() == 0
    monkeypatch.setattr(disk_cache, "_said", set())
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("FROD_BENCH_CACHE", name)
        cached("a", tensors, anything)

        def hand_over(folder, entry):
            (cache_directory() / "a.safetensors").chmod(entry if root else (entry & 0o7) * 0o111)
            cache_directory().chmod(folder if root else (folder & 0o7) * 0o111)
            if root:
                os.seteuid(65534)

        try:
            yield hand_over
        finally:
            os.seteuid(os.getuid())
            cache_directory().chmod(0o755)


def test_a_shared_cache_that_can_only_be_read_is_read(shared, capsys):
    shared(0o755, 0o644)
    cached("a", must_not_compute, anything)
    assert capsys.readouterr().err == ""


def test_a_shared_cache_that_cannot_be_written_is_told_once(shared, capsys):
    shared(0o755, 0o644)
    for key in "bcd":
        assert torch.equal(cached(key, tensors, anything)["U"], tensors()["U"])
    assert capsys.readouterr().err.count("cannot be written (Permission denied), so the next run computes") == 1


def test_an_entry_that_its_owner_alone_may_read_is_told_and_made_again(shared, capsys):
    shared(0o777, 0o600)
    assert torch.equal(cached("a", tensors, anything)["U"], tensors()["U"])
    file = cache_directory() / "a.safetensors"
    assert f"{file} cannot be read (Permission denied), so it is computed again." in capsys.readouterr().err
    cached("a", must_not_compute, anything)
