"""Peak memory of a training step: the allocator's own count on a GPU, a process of its own on a CPU."""

import multiprocessing
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from frod_bench.bench.contenders import Setting, build
from frod_bench.bench.timing import Stepper
from frod_bench.errors import RunFailure
from frod_bench.train.memory import peak_memory, reset_peak

_STEPS = 2


class Peaks(NamedTuple):
    """Bytes above what there was before: while the model is made and adapted, and in training steps."""

    initialisation: int
    step: int


def peak_bytes(name: str, setting: Setting) -> int:
    """Return the peak memory in bytes that model, activations, gradients and optimizer of a contender take, of two
    steps; on a CPU with the initialisation in it. Raises RunFailure when the process that measures dies.
    """
    peaks = measure_peaks(partial(build, name, setting), setting)
    return peaks.step if setting.device.type == "cuda" else max(peaks)


def measure_peaks(make: Callable[[], nn.Module], setting: Setting) -> Peaks:
    """Return the peaks of `make()` and of two steps on the setting's batch.

    On a CPU they are the growth of a fresh process's resident memory over what it has before the model is made.
    Raises RunFailure when that process dies.
    """
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
        return _peaks(make, setting, torch.cuda.memory_allocated())
    context = multiprocessing.get_context("forkserver")  # a fresh process without the seconds of imports
    context.set_forkserver_preload(["frod_bench.bench.contenders"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(make, setting, torch.get_num_threads(), sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise RunFailure(f"The process that measures the memory ended with code {process.exitcode}.") from None


def _measure(make: Callable[[], nn.Module], setting: Setting, threads: int, sender) -> None:
    torch.set_num_threads(threads)
    torch.randn(256, 256) @ torch.randn(256, 256)  # the thread pool's own memory is no model's
    warnings.simplefilter("ignore")
    sender.send(_peaks(make, setting, peak_memory(setting.device)[0]))


def _peaks(make: Callable[[], nn.Module], setting: Setting, before: int) -> Peaks:
    reset_peak()
    stepper = Stepper(make(), setting.inputs())
    initialisation = peak_memory(setting.device)[0]
    reset_peak()
    for _ in range(_STEPS):
        stepper.step()
    return Peaks(initialisation - before, peak_memory(setting.device)[0] - before)
