"""The hardware and software that the last bits of a run depend on, and which part of the run used which."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator

from frod_bench.console import say
from frod_bench.record.environment import cpu_model


def machine(accelerator: Accelerator) -> dict[str, Any]:
    """Return the device, a CPU's threads, model and instruction set, the number of processes and torch's version."""
    found = {"processes": accelerator.num_processes, "torch": str(torch.__version__)}
    if accelerator.device.type == "cuda":
        return {"device": torch.cuda.get_device_name(accelerator.device)} | found
    own = {"device": "cpu", "threads": torch.get_num_threads(), "cpu": cpu_model()}
    return own | {"instructions": torch.backends.cpu.get_cpu_capability()} | found


def with_segment(segments: list[dict[str, Any]], here: dict[str, Any], epoch: int, step: int) -> list[dict[str, Any]]:
    """Return the segments of a run that continues on the machine `here` from that epoch and step.

    A segment is a machine with `from_epoch` and `from_step`. Both count from 1, the step over the whole run.
    """
    if segments and not differences(segments, here):
        return segments
    return [*segments, {"from_epoch": epoch, "from_step": step} | here]


def differences(segments: list[dict[str, Any]], here: dict[str, Any]) -> list[str]:
    """Return, in words, what differs between this machine and the last segment; [] without a segment."""
    last = {key: value for key, value in segments[-1].items() if not key.startswith("from_")} if segments else here
    keys = [key for key in here | last if last.get(key) != here.get(key)]
    return [f"{key}: {last.get(key, 'none')}, now {here.get(key, 'none')}" for key in keys]


@contextlib.contextmanager
def threads_of(segments: list[dict[str, Any]], accelerator: Accelerator) -> Iterator[None]:
    """Inside the block, use as many threads as the last segment did, if this machine has the cores."""
    before, wanted = torch.get_num_threads(), segments[-1].get("threads") if segments else None
    possible = accelerator.device.type == "cpu" and isinstance(wanted, int) and 0 < wanted <= _cores()
    if wanted is None or not possible or wanted == before:
        yield
        return
    if accelerator.is_main_process:
        say(f"The run began with threads={wanted} and keeps that instead of {before}: its last bits depend on it.")
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
