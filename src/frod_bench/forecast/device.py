"""The rates, memory and power of a device."""

from dataclasses import dataclass

import torch

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.forecast.facts import plan_facts
from frod_bench.train.device import device_name, total_memory
from frod_bench.train.product_rate import product_rate


@dataclass(frozen=True)
class Device:
    """A device to run on. `rate[half]` is in FLOP/s, in half precision or not; `watts` is None if unknown."""

    name: str
    rate: dict[bool, float]
    memory_bytes: int
    watts: float | None
    evidence: str


def named_device(name: str) -> Device:
    """Return a GPU of `configs/plan.yaml`, by its data sheet. Raises RequestError for an unknown name."""
    facts = plan_facts()
    if name not in facts["devices"]:
        raise RequestError(f"--gpu {name} is not known. {did_you_mean(name, facts['devices'])}")
    sheet = facts["devices"][name]
    return Device(
        name=f"one {name}",
        rate={False: sheet["fp32"] * 1e12, True: sheet["half"] * 1e12},
        memory_bytes=int(sheet["memory_gb"] * 1e9),
        watts=sheet["watts"],
        evidence=f"its data sheet times {facts['utilisation']}, an assumption",
    )


def this_device() -> Device:
    """Return this machine's device, with freshly measured rates."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name, sheets = device_name(device), plan_facts()["devices"]
    return Device(
        name=name,
        rate={half: product_rate(device, torch.bfloat16 if half else torch.float32) for half in (False, True)},
        memory_bytes=total_memory(device),
        watts=next((sheet["watts"] for known, sheet in sheets.items() if known in name.lower()), None),
        evidence="the runs of this table that are done, else of a product of matrices timed just now, times"
        f" {plan_facts()['utilisation']}",
    )
