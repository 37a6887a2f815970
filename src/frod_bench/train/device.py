"""The name and the memory of a run's device."""

import os

import torch


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or `cpu` with the number of threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def total_memory(device: torch.device) -> int:
    """Return the bytes of memory of a GPU, or of the host."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
