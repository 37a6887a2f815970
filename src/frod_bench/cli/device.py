"""What a device is called in records and plans."""

import torch


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or `cpu` with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
