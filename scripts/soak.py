"""Kill runs at random, repeat the same command until they complete, and compare them with undisturbed runs.

    python scripts/soak.py [--kills 100] [--runs 20] [--methods frod,lora,vera,full_ft] [--seed 0] [--to DIR]

Every run is profile=smoke with a checkpoint after every batch. Each attempt is a process forked from this one, which
has imported everything, so an attempt starts within milliseconds instead of seconds. It gets SIGKILL, every fourth time
SIGTERM, after a random part of the time that the run takes undisturbed. A complete run must have the undisturbed run's
metrics in every epoch, best and last score, and adapter, byte for byte. The exit code is 1 when one has not, else 0.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a fork does not copy threads

import torch

from frod_bench.cli import run, run_command  # noqa: F401 - imported before the first fork
from frod_bench.forecast import advised_run  # noqa: F401 - the same
from frod_bench.record import RunDirectory
from frod_bench.runs import job  # noqa: F401

CLOCKS = ("seconds", "diagnostics_s", "data_wait", "samples_per_second", "peak_memory_bytes")
WORDS = ("profile=smoke", "task=glue/mrpc", "train.epochs=3", "train.batch_size=8", "train.eval_batch_size=8")
WORDS += ("checkpoint.every_s=0", "data.max_train=48")
TERM_EVERY = 4


def start(words: list[str], log: Path) -> int:
    """Run the command in a forked process that writes to a log; return the process id."""
    sys.stdout.flush()
    if child := os.fork():
        return child
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.argv = ["frod-bench"]
        code = run_command(words)
        sys.stdout.flush()
        os._exit(code)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(99)


def wait(child: int) -> int:
    """Return the exit code of a process, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def result(folder: Path) -> dict:
    """Return what a complete run measured, except times; raises when it is not complete."""
    directory = RunDirectory(folder)
    record = directory.read_record()
    directory.verify(record, adapter=True)
    if record.status != "completed":
        raise SystemExit(f"{folder} is {record.status}: {record.error}")
    lines = [{key: value for key, value in line.items() if key not in CLOCKS} for line in directory.read_metrics()]
    adapter = {name: digest for name, digest in record.files.items() if name.startswith("adapter/")}
    left = sorted(file.name for file in folder.iterdir())
    return {"lines": lines, "best": record.best, "final": record.final, "adapter": adapter, "left": left}


def soak(methods: list[str], runs: int, kills: int, seed: int, folder: Path) -> dict:
    """Make every run twice, undisturbed and with its share of the kills; return the counts."""
    draw, killed, stopped, unequal, begun = random.Random(seed), 0, 0, [], time.perf_counter()
    for number in range(runs):
        method, log = methods[number % len(methods)], folder / f"run{number}.log"
        words = [*WORDS, f"method={method}", f"seed={number}"]
        clock = time.perf_counter()
        if code := wait(start([*words, f"out={folder}/whole{number}"], log)):
            raise SystemExit(f"the undisturbed run ended with {code}, see {log}")
        takes = time.perf_counter() - clock
        # share the remaining kills among the remaining runs; a run may complete before its share is spent
        share, code, times = -(-(kills - killed - stopped) // (runs - number)), None, 0
        while code != 0:
            child = start([*words, f"out={folder}/run{number}"], log)
            signum = signal.SIGTERM if (killed + stopped) % TERM_EVERY == TERM_EVERY - 1 else signal.SIGKILL
            if times < share:
                time.sleep(draw.uniform(0, takes / 2))
                os.kill(child, signum)  # an ended child remains until it is waited for
            code = wait(child)
            if code == -signal.SIGKILL:
                killed, times = killed + 1, times + 1
            elif code in (128 + signal.SIGTERM, -signal.SIGTERM):
                stopped, times = stopped + 1, times + 1
            elif code != 0:
                raise SystemExit(f"the command ended with {code}, see {log}")
        if result(folder / f"run{number}") != result(folder / f"whole{number}"):
            unequal.append(f"{method} seed {number}")
        print(f"{method}, seed {number}: complete after {times} kills of {share}", flush=True)
    return {
        "runs": runs,
        "methods": methods,
        "sigkill": killed,
        "sigterm": stopped,
        "unequal": unequal,
        "seconds": round(time.perf_counter() - begun, 1),
        "torch": torch.__version__,
    }


def main() -> int:
    """Run the soak test and print its counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--methods", default="frod,lora,vera,full_ft")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, help="keep the runs in this folder (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.to or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = soak(arguments.methods.split(","), arguments.runs, arguments.kills, arguments.seed, folder)
    print(json.dumps(figures))
    return 1 if figures["unequal"] or figures["sigkill"] + figures["sigterm"] < arguments.kills else 0


if __name__ == "__main__":
    sys.exit(main())
