import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from frod_bench import disk_cache
from frod_bench.disk_cache import cache_folder, exclusively, say_not_kept, say_unreadable

# one of several processes that want an entry: it says whether it made it, and what it found
WANT = """
import sys, time
from pathlib import Path
from frod_bench.disk_cache import exclusively
from frod_bench.files import replacing
entry = Path(sys.argv[1])
with exclusively(entry):
    made = not entry.exists()
    if made:
        with replacing(entry) as partial:
            partial.write_text("half")
            time.sleep(float(sys.argv[2]))
            partial.write_text("whole")
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
    with exclusively(tmp_path / "folder/entry.npy") as hindrance:
        assert hindrance is None
    with exclusively(tmp_path / "file/entry.npy") as hindrance:
        assert isinstance(hindrance, FileExistsError | NotADirectoryError)


def test_of_eight_processes_one_makes_the_entry_and_the_others_read_it(tmp_path):
    processes = [want(tmp_path / "entry.npy", 0.3) for _ in range(8)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert answers == ["False whole"] * 7 + ["True whole"]
    assert [file.name for file in tmp_path.iterdir()] == ["entry.npy"]


def test_what_a_killed_process_left_is_cleared_and_made_again(tmp_path):
    entry = tmp_path / "entry.npy"
    dying = want(entry, 60)
    while not list(tmp_path.glob(".*.tmp")):
        assert dying.poll() is None
    os.kill(dying.pid, signal.SIGKILL)
    dying.wait()
    (tmp_path / ".other.npy.1.tmp").write_text("of a process that may live")
    with exclusively(entry) as hindrance:
        assert hindrance is None
        assert [file.name for file in tmp_path.glob(".*.tmp")] == [".other.npy.1.tmp"]


def test_a_long_wait_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(disk_cache, "_PATIENCE_S", 0.1)
    entry = tmp_path / "entry.npy"
    making = want(entry, 1.0)
    while not entry.with_name(f".entry.npy.{making.pid}.tmp").exists():
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
    with exclusively(entry) as hindrance:
        assert hindrance is error


def test_what_fails_is_said_once_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(disk_cache, "_said", set())
    for name in ("a", "b"):
        say_not_kept(tmp_path / name, PermissionError(13, "Permission denied"))
        say_unreadable(tmp_path / name, PermissionError(13, "Permission denied"))
    kept, unreadable = capsys.readouterr().err.splitlines()
    assert kept.startswith(f"The cache {tmp_path} cannot be written (Permission denied), so the next run computes")
    assert unreadable.startswith(f"{tmp_path}/a cannot be read (Permission denied), so it is computed again.")


@pytest.mark.parametrize("code", ["ENOLCK", "ENOSYS"])
def test_a_cache_without_working_locks_is_a_cache(tmp_path, monkeypatch, code):
    def flock(*arguments):
        raise OSError(getattr(errno, code), "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    with exclusively(tmp_path / "entry.npy") as hindrance:
        assert hindrance is None
