import os
import signal
import subprocess
import sys

import pytest

from frod_bench import disk_cache
from frod_bench.disk_cache import cache_folder, exclusively, partial

# one of several processes that want an entry: it says whether it made it, and what it found
WANT = """
import sys, time
from pathlib import Path
from frod_bench.disk_cache import exclusively, partial
entry = Path(sys.argv[1])
with exclusively(entry):
    made = not entry.exists()
    if made:
        partial(entry).write_text("half")
        time.sleep(float(sys.argv[2]))
        partial(entry).write_text("whole")
        partial(entry).replace(entry)
    print(made, entry.read_text())
"""


def want(entry, seconds):
    return subprocess.Popen([sys.executable, "-c", WANT, str(entry), str(seconds)], stdout=subprocess.PIPE, text=True)


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path))
    assert cache_folder("images") == tmp_path / "images"
    monkeypatch.delenv("FROD_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("images") == tmp_path / "xdg/frod-bench/images"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with exclusively(tmp_path / "folder/entry.npy") as writable:
        assert writable
    with exclusively(tmp_path / "file/entry.npy") as writable:
        assert not writable


def test_of_eight_processes_one_makes_the_entry_and_the_others_read_it(tmp_path):
    processes = [want(tmp_path / "entry.npy", 0.3) for _ in range(8)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert answers == ["False whole"] * 7 + ["True whole"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["entry.lock", "entry.npy"]


def test_what_a_killed_process_left_is_cleared_and_made_again(tmp_path):
    entry = tmp_path / "entry.npy"
    dying = want(entry, 60)
    while not list(tmp_path.glob("*.tmp")):
        assert dying.poll() is None
    os.kill(dying.pid, signal.SIGKILL)
    dying.wait()
    (tmp_path / f"entry.{dying.pid}.tmp.d.tmp").mkdir()
    (tmp_path / "other.1.tmp").write_text("of a process that may live")
    with exclusively(entry) as writable:
        assert writable
        assert [file.name for file in tmp_path.glob("*.tmp")] == ["other.1.tmp"]


def test_a_long_wait_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(disk_cache, "_PATIENCE_S", 0.1)
    entry = tmp_path / "entry.npy"
    making = want(entry, 1.0)
    while not partial(entry).with_name(f"entry.{making.pid}.tmp").exists():
        assert making.poll() is None
    with exclusively(entry):
        assert entry.read_text() == "whole"
    assert f"waiting for another process that makes {entry}" in capsys.readouterr().err
    making.communicate()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_cache_that_can_only_be_read(tmp_path, monkeypatch, error):
    def refuse(*arguments, **options):
        raise error

    entry = tmp_path / "entry.npy"
    entry.write_text("there")
    monkeypatch.setattr(os, "open", refuse)
    with exclusively(entry) as writable:
        assert not writable
