"""Peak memory of the process or the device since a run began."""

import contextlib
import ctypes
import gc
import resource
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Start a new peak, so that a run does not report the peak of an earlier run in this process."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed blocks below 32 MiB: gigabytes after a few runs
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")  # Linux: resets VmHWM


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Return the peak in bytes and whether it is that of the `device` or of the `process` (resident set)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "device"
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024, "process"
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "process"
