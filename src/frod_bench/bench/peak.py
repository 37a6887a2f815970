"""Peak memory of a training step: the allocator's own count on a GPU, a process of its own on a CPU."""

import multiprocessing
import warnings

import torch

from frod_bench.bench.contenders import Setting, build
from frod_bench.bench.timing import Stepper
from frod_bench.errors import RunFailure
from frod_bench.train.memory import peak_memory

_STEPS = 2


def peak_bytes(name: str, setting: Setting) -> int:
    """Return the peak memory in bytes that model, activations, gradients and optimizer take, of two steps.

    On a CPU that is the growth of a fresh process's resident memory over what it has before the model is made, with
    the initialisation in it. Raises RunFailure when that process dies.
    """
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        stepper = Stepper(build(name, setting), setting.inputs())
        torch.cuda.reset_peak_memory_stats()
        for _ in range(_STEPS):
            stepper.step()
        return torch.cuda.max_memory_allocated() - before
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(name, setting, torch.get_num_threads(), sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise RunFailure(
            f"The process that measures the memory of {name} ended with code {process.exitcode}."
        ) from None


def _measure(name: str, setting: Setting, threads: int, sender) -> None:
    torch.set_num_threads(threads)
    torch.randn(256, 256) @ torch.randn(256, 256)  # the thread pool's own memory is no model's
    warnings.simplefilter("ignore")
    before, _ = peak_memory(setting.device)
    stepper = Stepper(build(name, setting), setting.inputs())
    for _ in range(_STEPS):
        stepper.step()
    sender.send(peak_memory(setting.device)[0] - before)
