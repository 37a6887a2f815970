"""The environment of a run: package versions, device, CPU model, and the commit of the code."""

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "frod-bench",
    "torch",
    "transformers",
    "peft",
    "datasets",
    "accelerate",
    "evaluate",
    "hydra-core",
    "omegaconf",
    "numpy",
    "safetensors",
)


def environment(device: str) -> dict[str, Any]:
    """Return `{packages, device, cpu, commit, dirty}`; never raises.

    `packages` maps distributions, and `python`, to versions, or to None if not installed. `cpu` is what the last bits
    of a result on a CPU depend on: its model, the instruction set and the linear algebra library that torch uses.
    `commit` and `dirty` describe the git checkout that tracks this package, without results/; None if there is none.
    """
    commit, dirty = _checkout(Path(__file__).resolve())
    packages = {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}
    return {"packages": packages, "device": device, "cpu": _cpu(), "commit": commit, "dirty": dirty}


def cpu_model() -> str:
    """Return the name of the CPU with its family and model numbers, such as `AMD EPYC (family 26 model 2)`.

    A virtual machine may hide the rest of the name; the numbers still tell one generation from the next.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:  # no Linux
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.processor() or platform.machine()
    if {"cpu family", "model"} <= facts.keys():  # x86
        name += f" (family {facts['cpu family']} model {facts['model']})"
    return name


def _cpu() -> str:
    """Return e.g. `AMD EPYC (family 26 model 2), AVX512, mkl`, or the model alone if torch is not imported."""
    facts = [cpu_model()]
    if torch := sys.modules.get("torch"):
        facts.append(torch.backends.cpu.get_cpu_capability())
        facts += re.findall(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return ", ".join(facts)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _checkout(source: Path) -> tuple[str | None, bool | None]:
    """Return the commit of the checkout that tracks the file `source`, and whether files were changed since."""
    # An installed copy can lie inside an unrelated checkout (in its .venv), so the file must be tracked.
    if _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None, None
    commit = _git(source.parent, "rev-parse", "HEAD")
    # results are written to results/ and do not change the code
    status = _git(source.parent, "status", "--porcelain", "--", ":(top)", ":(top,exclude)results")
    return commit, None if status is None else bool(status)


def _git(folder: Path, *arguments: str) -> str | None:
    # Inside a git hook, GIT_DIR and the like are set and would point elsewhere.
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=outer | {"GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
