"""One owner at a time, by real processes: with a working flock, with one that fails, and with one that does nothing."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from frod_bench import locks
from frod_bench.locks import FileLock, InUse

KINDS = ("works", "ENOLCK", "ENOSYS", "EOPNOTSUPP", "nothing")
PRELUDE = """
import errno, fcntl, os, sys, time
from pathlib import Path
kind = sys.argv[2]
def flock(stream, how):
    if kind != "nothing":
        raise OSError(getattr(errno, kind), os.strerror(getattr(errno, kind)))
if kind != "works":
    fcntl.flock = flock
from frod_bench import locks
lock = locks.FileLock(Path(sys.argv[1]))
"""
HOLD = PRELUDE + "lock.acquire(); print('held', flush=True); time.sleep(60)"
TRY = """
input()
try:
    lock.acquire()
except locks.InUse:
    print("refused")
else:
    print("held", flush=True)
    time.sleep(3)
"""
TRY = PRELUDE + TRY


@pytest.fixture
def start():
    """Returns a function (code, file, kind of flock) -> process."""
    begun = []

    def run(code, file, kind):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen([sys.executable, "-c", code, str(file), kind], **pipes))
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    def flock(stream, how):
        if request.param != "nothing":
            code = getattr(locks.errno, request.param)
            raise OSError(code, os.strerror(code))

    if request.param != "works":
        monkeypatch.setattr(fcntl, "flock", flock)
    return request.param


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(locks, "_BEAT_S", 0.2)
    monkeypatch.setattr(locks, "_WATCH_S", 1.5)


def elsewhere(file):
    """Let the lock be of a process of another machine."""
    file.write_text("process 7 on far\nboot another pids pid:[1] start 99\n")


def test_a_living_owner_keeps_others_out(tmp_path, start, kind):
    file = tmp_path / ".lock"
    owner = start(HOLD, file, kind)
    assert owner.stdout.readline() == "held\n"
    begun = time.monotonic()
    with pytest.raises(InUse, match=rf"^process {owner.pid} on "):
        FileLock(file).acquire()
    assert time.monotonic() - begun < 5


def test_a_killed_owner_does_not(tmp_path, start, kind):
    file = tmp_path / ".lock"
    owner = start(HOLD, file, kind)
    assert owner.stdout.readline() == "held\n"
    os.kill(owner.pid, signal.SIGKILL)
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
    lock = FileLock(file)
    lock.acquire()
    assert file.read_text().startswith(f"process {os.getpid()} on ")
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_two_objects_of_one_process_are_two_owners(tmp_path, kind):
    lock, other = FileLock(tmp_path / ".lock"), FileLock(tmp_path / ".lock")
    lock.acquire()
    lock.acquire()
    with pytest.raises(InUse):
        other.acquire()
    lock.release()
    lock.release()
    other.acquire()
    other.release()


@pytest.mark.parametrize("kind", ["works", "ENOLCK", "nothing"])
def test_of_many_that_find_a_dead_owner_one_takes_over(tmp_path, start, kind):
    file = tmp_path / ".lock"
    dead = start(HOLD, file, kind)
    assert dead.stdout.readline() == "held\n"
    dead.kill()
    dead.wait()
    processes = [start(TRY, file, kind) for _ in range(6)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = sorted(process.stdout.readline().strip() for process in processes)
    assert answers == ["held"] + 5 * ["refused"]


def test_an_owner_elsewhere_is_watched(tmp_path, kind, quick, capsys):
    file = tmp_path / ".lock"
    elsewhere(file)
    stop = threading.Event()

    def touch():
        while not stop.wait(0.2):
            os.utime(file)

    alive = threading.Thread(target=touch)
    alive.start()
    with pytest.raises(InUse, match=r"^process 7 on far$"):
        FileLock(file).acquire()
    stop.set()
    alive.join()
    lock = FileLock(file)
    lock.acquire()
    assert "cannot be seen from here; watching it" in capsys.readouterr().err
    lock.release()


def test_the_owner_touches_its_file_until_it_gives_it_back(tmp_path, quick):
    lock = FileLock(tmp_path / ".lock")
    lock.acquire()
    os.utime(lock.file, (0, 0))
    until = time.monotonic() + 10
    while lock.file.stat().st_mtime == 0:
        assert time.monotonic() < until
        time.sleep(0.05)
    lock.release()


def test_an_owner_elsewhere_that_gives_it_back_meanwhile(tmp_path, quick):
    file = tmp_path / ".lock"
    elsewhere(file)
    threading.Timer(0.5, file.unlink).start()
    lock = FileLock(file)
    lock.acquire()
    assert not lock.lost
    lock.release()


@pytest.mark.parametrize("kind", ["ENOLCK", "nothing"], indirect=True)
def test_a_number_that_is_another_process_by_now(tmp_path, kind):
    me = locks._this_process()
    text = f"process {me.pid} on here\nboot {me.boot} pids {me.pids} start "
    file = tmp_path / ".lock"
    file.write_text(f"{text}{me.start}\n")
    with pytest.raises(InUse):
        FileLock(file).acquire()
    file.write_text(f"{text}12\n")
    FileLock(file).acquire()


@pytest.mark.parametrize("left", ["", "process 99999999999999 on x\n", "process 1 on x\nboot a\n", "\x00" * 5000])
def test_what_names_no_owner_is_watched_as_well(tmp_path, quick, left):
    file = tmp_path / ".lock"
    file.write_text(left)
    lock = FileLock(file)
    lock.acquire()
    lock.release()


def test_a_name_is_printed_without_what_drives_a_terminal(tmp_path, quick):
    file = tmp_path / ".lock"
    file.write_text("process 7 on \x1b]52;c;aGk=\x07far\n")
    threading.Timer(0.3, os.utime, (file,)).start()
    with pytest.raises(InUse, match=re.escape("process 7 on ]52;c;aGk=far")):
        FileLock(file).acquire()


def test_one_that_was_taken_over_knows_it(tmp_path):
    lock = FileLock(tmp_path / ".lock")
    lock.acquire()
    assert not lock.lost
    lock.file.unlink()
    other = FileLock(lock.file)
    other.acquire()
    assert lock.lost and not other.lost
    lock.release()
    assert other.file.exists()


def test_one_that_died_while_taking_over_hinders_nobody(tmp_path, quick):
    file = tmp_path / ".lock"
    elsewhere(file)
    guard = tmp_path / ".lock.takeover"
    guard.write_text("")
    os.utime(guard, (0, 0))
    FileLock(file).acquire()
    assert not guard.exists()


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_is_no_file_is_left_alone(tmp_path, what):
    file, victim = tmp_path / ".lock", tmp_path / "victim"
    victim.write_text("mine")
    {"link": lambda: file.symlink_to(victim), "pipe": lambda: os.mkfifo(file), "folder": file.mkdir}[what]()
    with pytest.raises(OSError):
        FileLock(file).acquire()
    assert victim.read_text() == "mine" and os.path.lexists(file)
