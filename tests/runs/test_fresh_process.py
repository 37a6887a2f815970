"""Processes of their own for runs, with stand-ins for torch and for the run: what is tried is how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# every interpreter that is started imports this before anything else
STAND_INS = """
import os, signal, sys, time, types

def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)

def run_job(config):
    from frod_bench.errors import Interrupted, RequestError, RunFailure

    def checkpoint(number, frame):
        signal.signal(number, signal.SIG_DFL)
        time.sleep(0.3)
        print("checkpoint", flush=True)
        open(f"checkpoint.{os.getpid()}", "w").close()
        raise Interrupted("SIGTERM. The same command goes on from here.", number)

    what = config["do"]
    if what == "refuse":
        raise RequestError("no such task")
    if what == "fail":
        raise RunFailure("the loss is nan")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "slow":
        time.sleep(2)
    if what == "threads":
        raise RequestError(f"threads: {torch.threads}")
    if what == "wait":
        signal.signal(signal.SIGTERM, checkpoint)
        print("training", flush=True)
        open(f"training.{os.getpid()}", "w").close()
        time.sleep(60)

torch = types.SimpleNamespace(threads=8)
module(
    "torch", cuda=types.SimpleNamespace(is_available=lambda: False), get_num_threads=lambda: torch.threads,
    set_num_threads=lambda number: setattr(torch, "threads", number),
)
for name in ("evaluate", "peft", "sklearn", "sklearn.metrics", "torchvision"):
    module(name)
run_job.__module__ = "the_job"
module("the_job", run_job=run_job)
"""
MAIN = """
import signal, sys
from the_job import run_job
from frod_bench.runs.fresh_process import FreshProcesses
from frod_bench.errors import Interrupted

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever runs the tests may have set to be ignored
    try:
        processes = FreshProcesses(run_job, [])
        jobs, *words = sys.argv[1:]
        for number, outcome in processes.run(({"do": word} for word in words), int(jobs)):
            print(number, *outcome, flush=True)
    except Interrupted as error:
        sys.exit(128 + error.signum)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def runs(tmp_path):
    """Return a function (*words) -> a process that makes a run of each word, in a session of its own."""
    (tmp_path / "sitecustomize.py").write_text(STAND_INS)
    (tmp_path / "main.py").write_text(MAIN)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]

    def start(*words, jobs=1):
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "main.py"), str(jobs), *words],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that whatever it leaves behind can be found
        )

    return start


def test_every_end_has_its_code_and_reason(runs):
    out, _ = runs("end", "refuse", "fail", "die", "end").communicate(timeout=60)
    assert out.splitlines() == [
        "0 0 None",
        "1 2 no such task",
        "2 1 the loss is nan",
        "3 1 The process was killed by SIGKILL (the system does this when memory runs out).",
        "4 0 None",
    ]


def test_two_at_a_time_end_in_their_own_order_in_half_the_threads_and_print_nothing(runs):
    out, _ = runs("slow", "threads", "fail", "end", jobs=2).communicate(timeout=60)
    assert out.splitlines() == ["1 2 threads: 4", "2 1 the loss is nan", "3 0 None", "0 0 None"]


def test_a_signal_reaches_every_run_that_is_going(runs, tmp_path):
    process = runs("wait", "wait", "end", jobs=2)
    wait_for(lambda: len(list(tmp_path.glob("training.*"))) == 2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert len(list(tmp_path.glob("checkpoint.*"))) == 2
    assert not left(process.pid)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_run_once_and_its_checkpoint_is_waited_for(runs, signum, code):
    process = runs("wait", "end")
    assert process.stdout.readline() == "training\n"
    os.killpg(process.pid, signum)  # as a terminal does
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "checkpoint\n")
    assert not left(process.pid)


def test_a_second_signal_ends_everything_at_once(runs):
    process = runs("wait")
    assert process.stdout.readline() == "training\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert not left(process.pid)


def test_who_is_killed_leaves_no_process(runs):
    process = runs("wait")
    assert process.stdout.readline() == "training\n"
    process.kill()
    process.communicate(timeout=60)
    assert not left(process.pid)


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def left(session, seconds=30):
    """Return the processes of a session that are still there after a while."""
    until = time.monotonic() + seconds
    while (found := _of_session(session)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _of_session(session):
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = file.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        if int(own) == session and state != "Z":
            found.append(file.parent.name)
    return found
