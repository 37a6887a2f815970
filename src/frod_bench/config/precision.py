"""`train.precision=auto`: the precision in which this machine multiplies faster, measured once and remembered."""

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path

from frod_bench.console import say
from frod_bench.disk_cache import cache_folder, say_not_kept
from frod_bench.files import save_text
from frod_bench.record.environment import cpu_model

AUTO = "auto"
_WORTH = 1.25  # bf16 has to be so much faster than fp32 to be taken: autocast costs casts, and results lose digits
_GPUS = Path("/proc/driver/nvidia/gpus")


def fastest_precision(device: str) -> str:
    """Return `bf16` or `no` for `train.device`.

    The answer is stored in the cache folder `precision`, because it is part of what names a run: a machine must not
    change its mind between two commands, and a second command must not need torch to know it.
    """
    entry = cache_folder("precision") / f"{_machine(device)}.json"
    try:
        return str(json.loads(entry.read_text(encoding="utf-8"))["precision"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    rates = _measured(device)
    precision = "bf16" if rates["bf16"] >= _WORTH * rates["fp32"] else "no"
    say(
        f"train.precision=auto is {precision} on this machine: products run at {rates['fp32'] / 1e9:,.0f} GFLOP/s in"
        f" fp32 and {rates['bf16'] / 1e9:,.0f} in bf16."
    )
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        save_text(entry, json.dumps({"precision": precision} | rates) + "\n")
    except OSError as error:
        say_not_kept(entry, error)
    return precision


def _measured(device: str) -> dict[str, float]:
    import torch  # takes seconds to import, and a remembered answer needs none of it

    from frod_bench.train.product_rate import product_rate

    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    return {name: product_rate(place, dtype) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}


def _machine(device: str) -> str:
    """Return a key of what the answer depends on, found without torch."""
    gpus = sorted(path.name for path in _GPUS.iterdir()) if _GPUS.is_dir() else []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    facts = [cpu_model(), os.environ.get("ATEN_CPU_CAPABILITY"), version("torch"), gpus, visible, device]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
