"""`frod-bench bench`: compare speed and memory with other implementations, as ratios within one process."""

import argparse
import importlib
import json
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frod_bench.bench.names import GPU_BLOCKS
from frod_bench.cli.bench_arguments import DTYPES, ROUNDS, bench_parser, check_numbers, requested_names
from frod_bench.cli.written import say_written, write_texts
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.record import environment

if TYPE_CHECKING:
    from frod_bench.bench.contenders import Setting


def main(argv: list[str]) -> int:
    """Measure, print a table and, with `--to`, write it as JSON and Markdown.

    Raises RequestError for a request that cannot be measured, RunFailure when a check of the results fails.
    """
    arguments = bench_parser().parse_args(argv)
    names = requested_names(arguments)
    check_numbers(arguments)
    import torch  # takes seconds to import, and a refusal needs none of it

    from frod_bench.report.bench import to_markdown

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # the libraries' own, which would interrupt the lines of progress
    setting, progress = _setting(arguments), _Progress()
    about = _about(arguments, setting)

    def keep(result: dict[str, Any]) -> list[Path]:
        return [] if arguments.to is None else _write(arguments, setting, about | result)

    result = _measure(arguments, setting, names, progress, keep)
    show(to_markdown(about | result), end="")
    if written := keep(result):
        say_written(written)
    return 0


def _measure(
    arguments: argparse.Namespace,
    setting: "Setting",
    names: list[str],
    progress: "_Progress",
    keep: Callable[[dict[str, Any]], Any],
) -> dict[str, Any]:
    module = importlib.import_module(f"frod_bench.bench.{arguments.what}")
    bench: Callable[..., dict[str, Any]] = getattr(module, f"bench_{arguments.what}")
    if arguments.what == "scaling":
        return bench(arguments.length or 128, arguments.measured_to, progress)
    if arguments.what in ROUNDS:
        rounds = arguments.rounds or ROUNDS[arguments.what]
        if arguments.what == "ops":
            return bench(setting, rounds, progress)
        own: dict[str, Any] = {}
        if arguments.what == "gpu":
            own = {"minutes": arguments.minutes, "blocks": arguments.layers, "batch": arguments.batch, "keep": keep}
        return bench(setting, names, rounds, progress, **own)
    return bench(setting, names, progress)


class _Progress:
    def say(self, what: str) -> None:
        show(f"bench: {what}", file=sys.stderr)


def _setting(arguments: argparse.Namespace) -> "Setting":
    import torch

    from frod_bench.bench.contenders import Setting
    from frod_bench.bench.shapes import timed_backbone

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("--device cuda is not available: torch sees no CUDA device. Use --device cpu.")
    backbone = timed_backbone(arguments.shape)
    return Setting(
        architecture=backbone,
        layers=arguments.layers or backbone.layers,
        batch=arguments.batch or backbone.batch,
        length=arguments.length or backbone.length,
        sparsity=arguments.sparsity,
        rank=arguments.rank,
        dtype=getattr(torch, DTYPES[arguments.dtype]),
        device=torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")),
        narrow=arguments.narrow,
    )


def _about(arguments: argparse.Namespace, setting: "Setting") -> dict[str, Any]:
    from frod_bench.train.device import device_name

    about = {"command": f"frod-bench bench {shlex.join(sys.argv[2:])}", "what": arguments.what}
    if arguments.what == "scaling":
        values = {"shape": "125M to 70B parameters", "tokens": arguments.length or 128, "sparsity": 0.02}
    elif arguments.what == "gpu":
        values = {"shape": ", ".join(GPU_BLOCKS), "narrow": setting.narrow, "sparsity": setting.sparsity}
        values |= {"rank": setting.rank, "dtype": arguments.dtype}
    else:
        values = {
            "shape": setting.architecture.name,
            "layers": setting.layers,
            "batch": setting.batch,
            "length": setting.length,
            "narrow": setting.narrow,
            "sparsity": setting.sparsity,
            "rank": setting.rank,
            "dtype": _dtype(arguments),
        }
    return about | {"setting": values, "environment": environment(device_name(setting.device))}


def _dtype(arguments: argparse.Namespace) -> str:
    return "all" if arguments.what == "start" else arguments.dtype


def _write(arguments: argparse.Namespace, setting: "Setting", result: dict[str, Any]) -> list[Path]:
    from frod_bench.report.bench import to_markdown

    size = f"{setting.layers}x{setting.batch}" + (f"x{setting.length}" if setting.length else "")
    size += f"_narrow{setting.narrow}" if setting.narrow > 1 else ""
    parts = [arguments.what]
    if arguments.what == "gpu":
        parts += [arguments.dtype, re.sub(r"\W+", "_", result["environment"]["device"]).strip("_").lower()]
    elif arguments.what != "scaling":
        parts += [setting.architecture.name, size, _dtype(arguments), setting.device.type]
    files = {"json": json.dumps(result, indent=2) + "\n", "md": to_markdown(result)}
    return write_texts(arguments.to, {f"{'_'.join(parts)}.{suffix}": content for suffix, content in files.items()})
