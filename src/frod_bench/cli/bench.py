"""`frod-bench bench`: compare speed and memory with other implementations, as ratios within one process."""

import argparse
import importlib
import json
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frod_bench.bench.names import FROD_VARIANTS, PEFT, SHAPES, START, USUAL
from frod_bench.cli.written import say_written, write_texts
from frod_bench.config.catalogue import choices
from frod_bench.console import show
from frod_bench.errors import RequestError, nearest
from frod_bench.record import environment

if TYPE_CHECKING:
    from frod_bench.bench.contenders import Setting

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_ROUNDS = {"step": 5, "init": 1, "ops": 9}  # defaults; the others have no rounds
_EPILOG = """\
what:
  step          Time a training step and an evaluation pass of each contender, and measure its peak memory.
  init          Time attaching FRoD to the whole backbone, ours and PEFT's, and ours again from the cache.
  start         Measure how far each contender is from the base model before the first step, in three precisions.
  ops           Time the products with M by pattern of S, and every way to compute a layer, against the cost model.
  memory_model  Compare the predicted memory of every method with what a separate process measures.
  scaling       Extrapolate initialisation, memory and step time from 125M to 70B parameters.

examples:
  frod-bench bench step --shape clip_vit_b32 --threads 2 --to results/bench
  frod-bench bench step --shape roberta_large --batch 32 --length 128 --contenders lora,peft_frod,frod,frod_global
  frod-bench bench step --shape llama2_7b --dtype bf16 --device cuda
  frod-bench bench step --shape minilm --contenders lora,peft_lora,dora,peft_dora,vera,peft_vera,randlora,peft_randlora
  frod-bench bench init --shape clip_vit_b32 --rounds 1
  frod-bench bench start --shape clip_vit_b32 --layers 4 --batch 8
  frod-bench bench ops --shape roberta_large --sparsity 0.01
  frod-bench bench memory_model --shape minilm --threads 1 --to results/bench
  frod-bench bench scaling --threads 1 --to results/bench
"""


def main(argv: list[str]) -> int:
    """Measure, print a table and, with `--to`, write it as JSON and Markdown.

    Raises RequestError for a request that cannot be measured, RunFailure when a check of the results fails.
    """
    arguments = _parser().parse_args(argv)
    names = _names(arguments)
    _check(arguments)
    import torch  # with the libraries below it takes seconds; refuse a wrong request first

    from frod_bench.report.bench import to_markdown

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # of the libraries, which would break up the lines of progress
    setting, progress = _setting(arguments), _Progress()
    result = _about(arguments, setting) | _measure(arguments, setting, names, progress)
    text = to_markdown(result)
    show(text, end="")
    if arguments.to is not None:
        say_written(_write(arguments, setting, result, text))
    return 0


def _measure(
    arguments: argparse.Namespace, setting: "Setting", names: list[str], progress: "_Progress"
) -> dict[str, Any]:
    module = importlib.import_module(f"frod_bench.bench.{arguments.what}")
    bench: Callable[..., dict[str, Any]] = getattr(module, f"bench_{arguments.what}")
    if arguments.what == "scaling":
        return bench(arguments.length or 128, arguments.measured_to, progress)
    if arguments.what in _ROUNDS:
        rounds = arguments.rounds or _ROUNDS[arguments.what]
        return bench(setting, rounds, progress) if arguments.what == "ops" else bench(setting, names, rounds, progress)
    return bench(setting, names, progress)


class _Progress:
    def say(self, what: str) -> None:
        show(f"bench: {what}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="frod-bench bench",
        description="Benchmark FRoD against PEFT's FRoD, LoRA, DoRA, VeRA and full fine-tuning, on the shapes of a\n"
        "backbone with random weights. step and init first compare the results with PEFT's, and time nothing if they differ.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "what",
        choices=["step", "init", "start", "ops", "memory_model", "scaling"],
        metavar="WHAT",
        help="step, init, start, ops, memory_model or scaling; see below",
    )
    add("--shape", default="clip_vit_b32", choices=list(SHAPES), help="default: clip_vit_b32")
    add("--layers", type=int, help="number of blocks (default: all of the backbone's)")
    add("--batch", type=int, help="rows per step")
    add("--length", type=int, help="tokens per row, for text")
    add("--narrow", type=int, default=1, help="divide the backbone's widths by this, for a rehearsal (default: 1)")
    add("--sparsity", type=float, default=0.02, help="density of S (default: 0.02)")
    add("--rank", type=int, default=64, help="rank of LoRA and its variants, not of VeRA (default: 64)")
    add(
        "--contenders",
        help=f"comma-separated; default: {','.join(USUAL)}; also"
        f" {', '.join(name for name in _contenders() if name not in USUAL)}; for"
        " memory_model: methods",
    )
    add(
        "--dtype",
        default="fp32",
        choices=list(_DTYPES),
        help="precision of the backbone (default: fp32); start measures all three",
    )
    add("--device", choices=["cpu", "cuda"], help="default: cuda if torch sees a device, else cpu")
    add("--threads", type=int, help="CPU threads; default: torch's own choice")
    add("--measured-to", type=int, default=2048, help="width of the widest model that scaling times (default: 2048)")
    add("--rounds", type=int, help="timed rounds (default: 5 for step, 1 for init, 9 for ops)")
    add("--to", type=Path, metavar="DIR", help="write the measurement into DIR as .json and .md")
    return parser


def _contenders() -> list[str]:
    return ["base", *choices("method"), *FROD_VARIANTS, *PEFT]


def _names(arguments: argparse.Namespace) -> list[str]:
    usual, known = USUAL, _contenders()
    if arguments.what == "init":
        usual = ("peft_frod", "frod")
    elif arguments.what == "start":
        usual = START
    elif arguments.what == "memory_model":
        usual = known = choices("method")
    names = arguments.contenders.split(",") if arguments.contenders else list(usual)
    for name in names:
        if name not in known:
            raise RequestError(f"--contenders {name} is not known. {nearest(name, known)}")
    return names


def _check(arguments: argparse.Namespace) -> None:
    """Raise RequestError for a number that is not accepted."""
    for name in ("layers", "batch", "length", "narrow", "rank", "threads", "rounds", "measured_to"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise RequestError(f"--{name.replace('_', '-')} {value} is not accepted: a whole number of 1 or more is.")
    if not 0 <= arguments.sparsity <= 1:
        raise RequestError(f"--sparsity {arguments.sparsity} is not accepted: the density of S lies in [0, 1].")
    if arguments.length is not None and SHAPES[arguments.shape][1] is None and arguments.what != "scaling":
        raise RequestError(f"--length is not accepted with --shape {arguments.shape}, whose input is an image.")


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
        dtype=getattr(torch, _DTYPES[arguments.dtype]),
        device=torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")),
        narrow=arguments.narrow,
    )


def _about(arguments: argparse.Namespace, setting: "Setting") -> dict[str, Any]:
    from frod_bench.train.device import device_name

    about = {"command": f"frod-bench bench {shlex.join(sys.argv[2:])}", "what": arguments.what}
    if arguments.what == "scaling":
        values = {"shape": "125M to 70B parameters", "tokens": arguments.length or 128, "sparsity": 0.02}
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


def _write(arguments: argparse.Namespace, setting: "Setting", result: dict[str, Any], text: str) -> list[Path]:
    size = f"{setting.layers}x{setting.batch}" + (f"x{setting.length}" if setting.length else "")
    size += f"_narrow{setting.narrow}" if setting.narrow > 1 else ""
    parts = [arguments.what]
    if arguments.what != "scaling":
        parts += [setting.architecture.name, size, _dtype(arguments), setting.device.type]
    files = {"json": json.dumps(result, indent=2) + "\n", "md": text}
    return write_texts(arguments.to, {f"{'_'.join(parts)}.{suffix}": content for suffix, content in files.items()})
