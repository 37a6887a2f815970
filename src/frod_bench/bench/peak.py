"""Peak memory of a training step: counted by the allocator on a GPU, measured in a separate process on a CPU."""

import ctypes
import dataclasses
import multiprocessing
import os
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch
from torch import nn

from frod_bench.bench.contenders import Setting, build
from frod_bench.bench.timing import Stepper
from frod_bench.errors import RunFailure
from frod_bench.train.memory import peak_memory, reset_peak

_STEPS = 2
_M_MMAP_THRESHOLD = -3  # of glibc's mallopt; setting it also stops malloc from raising it by itself


class Peaks(NamedTuple):
    """Bytes above the starting point: while the model is built and adapted, and in training steps."""

    initialisation: int
    step: int


def peak_bytes(name: str, setting: Setting) -> int:
    """Return the peak bytes of a contender in two steps: model, activations, gradients and optimizer.

    On a CPU the initialisation is included. Raises RunFailure when the measuring process dies.
    """
    peaks = measure_peaks(partial(build, name), setting)
    return peaks.step if setting.device.type == "cuda" else max(peaks)


def measure_peaks(make: Callable[[Setting], nn.Module], setting: Setting, live: bool = False) -> Peaks:
    """Return the peaks of `make(setting)` and of two steps on the setting's batch.

    On a CPU they are the growth in resident memory of a fresh process with an empty decomposition cache. With `live`
    that process returns every large block to the system as soon as it is freed, so only live memory counts; otherwise
    blocks that malloc keeps count too. Raises RunFailure when that process dies.
    """
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
        return _peaks(make, setting, torch.cuda.memory_allocated())
    context = multiprocessing.get_context("forkserver")  # a fresh process without the seconds of imports
    context.set_forkserver_preload(["frod_bench.bench.contenders"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(make, setting, live, torch.get_num_threads(), sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise RunFailure(f"The process that measures the memory ended with code {process.exitcode}.") from None


def _measure(
    make: Callable[[Setting], nn.Module], setting: Setting, live: bool, threads: int, sender: Connection
) -> None:
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    if live:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 2**16)
    small = dataclasses.replace(setting, layers=2, batch=2, rank=8, narrow=8)
    _peaks(make, small, 0)  # so that pages of libraries and the thread pool do not count
    reset_peak()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FROD_BENCH_CACHE"] = folder
        sender.send(_peaks(make, setting, peak_memory(setting.device)[0]))


def _peaks(make: Callable[[Setting], nn.Module], setting: Setting, before: int) -> Peaks:
    reset_peak()
    stepper = Stepper(make(setting), setting.inputs())
    initialisation = peak_memory(setting.device)[0]
    reset_peak()
    for _ in range(_STEPS):
        stepper.step()
    return Peaks(initialisation - before, peak_memory(setting.device)[0] - before)
