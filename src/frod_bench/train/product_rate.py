"""How fast a device multiplies matrices."""

import time

import torch


def product_rate(device: torch.device, dtype: torch.dtype, n: int = 1024, seconds: float = 0.5) -> float:
    """Return the FLOP/s of n x n products, repeated for `seconds`."""
    a = torch.randn(n, n, device=device).to(dtype)
    (a @ a).sum().item()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        (a @ a)[0, 0].item()
        count += 1
    return 2 * n**3 * count / (time.perf_counter() - start)
