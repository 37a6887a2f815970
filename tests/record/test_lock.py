import fcntl
import os
import shutil
import signal
import subprocess
import sys

import pytest

from frod_bench.errors import RequestError, RunFailure
from frod_bench.record import RunDirectory
from frod_bench.record.lock import DirectoryLock

HASH = "0123456789abcdef"
HOLD = """
import sys, time
from pathlib import Path
from frod_bench.record.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that holds the lock of tmp_path."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_process_is_told_who_has_it(tmp_path, owner):
    with pytest.raises(RequestError, match=rf"in use by process {owner.pid} on .*out=DIR"):
        RunDirectory(tmp_path).claim(HASH, "")
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_the_second_process_is_told_where_locks_do_nothing(tmp_path, monkeypatch):
    code = "import fcntl\nfcntl.flock = lambda *arguments: None\n" + HOLD
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "held\n"
    monkeypatch.setattr(fcntl, "flock", lambda *arguments: None)
    with pytest.raises(RequestError, match=rf"in use by process {owner.pid} on .*out=DIR"):
        RunDirectory(tmp_path).claim(HASH, "")
    owner.kill()
    owner.wait()
    run = RunDirectory(tmp_path)
    assert run.claim(HASH, "") == "new"
    run.release()


def test_a_directory_that_was_taken_over_is_told(tmp_path):
    lock = DirectoryLock(tmp_path)
    lock.acquire()
    (tmp_path / ".lock").unlink()
    DirectoryLock(tmp_path).acquire()
    with pytest.raises(RunFailure, match="was taken over by another process"):
        lock.require()


def test_the_lock_of_a_dead_owner_is_taken_over(tmp_path, owner):
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert (tmp_path / ".lock").exists()
    run = RunDirectory(tmp_path)
    assert run.claim(HASH, "") == "new"
    assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()
    run.release()
    assert not (tmp_path / ".lock").exists()


def test_a_child_that_outlives_its_owner_has_no_lock(tmp_path):
    fork = "import os\nos.write(1, b'%d\\n' % os.fork())\n"
    code = HOLD.replace('print("held", flush=True)\n', fork)
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = max(int(owner.stdout.readline()) for _ in range(2))  # both have written, so both are past the fork
    try:
        with pytest.raises(RequestError, match=f"in use by process {owner.pid}"):
            DirectoryLock(tmp_path).acquire()
        owner.kill()
        owner.wait()
        os.kill(child, 0)  # it lives
        DirectoryLock(tmp_path).acquire()
    finally:
        os.kill(child, signal.SIGKILL)


def test_one_object_may_claim_twice_and_two_may_not(tmp_path):
    run, other = RunDirectory(tmp_path), RunDirectory(tmp_path)
    run.claim(HASH, "")
    run.claim(HASH, "")
    with pytest.raises(RequestError, match="in use"):
        other.claim(HASH, "")
    run.release()
    assert other.claim(HASH, "") == "new"


def test_a_directory_that_was_removed_is_told_though_another_is_there(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    lock, other = DirectoryLock(folder), DirectoryLock(folder)
    lock.require()
    lock.acquire()
    lock.require()
    shutil.rmtree(folder)
    with pytest.raises(RunFailure, match="was removed"):
        lock.require()
    folder.mkdir()
    other.acquire()
    with pytest.raises(RunFailure, match="was removed"):
        lock.require()
    lock.release()
    assert (folder / ".lock").exists()
    other.require()
