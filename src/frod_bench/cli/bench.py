"""`frod-bench bench`: speed and memory against other implementations, as ratios in one process."""

import argparse
import json
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from frod_bench.bench.contenders import CONTENDERS, USUAL, Setting
from frod_bench.bench.init import bench_init
from frod_bench.bench.memory_model import bench_memory_model
from frod_bench.bench.ops import bench_ops
from frod_bench.bench.scaling import bench_scaling
from frod_bench.bench.shapes import ARCHITECTURES
from frod_bench.bench.start import START, bench_start
from frod_bench.bench.step import bench_step
from frod_bench.cli.written import say_written, write_texts
from frod_bench.errors import RequestError, nearest
from frod_bench.methods import method_names
from frod_bench.record import environment
from frod_bench.report.bench import to_markdown

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_EXAMPLES = """\
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

    Raises RequestError for what cannot be measured as asked and RunFailure when the results are wrong.
    """
    arguments = _parser().parse_args(argv)
    setting = _setting(arguments)
    names = _names(arguments)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # of the libraries; they would stand between the lines of progress
    progress = _Progress()
    about = _about(arguments, setting)
    if arguments.what == "step":
        found = bench_step(setting, names, arguments.rounds or 5, progress)
    elif arguments.what == "init":
        found = bench_init(setting, names, arguments.rounds or 1, progress)
    elif arguments.what == "start":
        found = bench_start(setting, names, progress)
    elif arguments.what == "memory_model":
        found = bench_memory_model(setting, names, progress)
    elif arguments.what == "scaling":
        found = bench_scaling(arguments.length or 128, arguments.measured_to, progress)
    else:
        found = bench_ops(setting, arguments.rounds or 9, progress)
    result = about | found
    text = to_markdown(result)
    print(text, end="")
    if arguments.to is not None:
        say_written(_write(arguments, setting, result, text))
    return 0


class _Progress:
    def say(self, what: str) -> None:
        print(f"bench: {what}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="frod-bench bench",
        description="Time FRoD against PEFT's FRoD, LoRA, DoRA, VeRA and full fine-tuning on random weights of a"
        " backbone's shapes. The results are compared with PEFT's first; where they differ nothing is timed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "what",
        choices=["step", "init", "start", "ops", "memory_model", "scaling"],
        help="a training step, the initialisation, the distance from the base model after it, single operations, the"
        " memory predicted for every method, or time and memory from 125M to 70B parameters",
    )
    add("--shape", default="clip_vit_b32", choices=list(ARCHITECTURES), help="default: clip_vit_b32")
    add("--layers", type=int, help="blocks; default: all of the backbone's")
    add("--batch", type=int, help="rows a step")
    add("--length", type=int, help="tokens a row, for text")
    add("--narrow", type=int, default=1, help="divide the backbone's widths by this, for a rehearsal (default: 1)")
    add("--sparsity", type=float, default=0.02, help="density of S (default: 0.02)")
    add("--rank", type=int, default=64, help="rank of LoRA and its kin, not of VeRA (default: 64)")
    add(
        "--contenders",
        help=f"comma-separated; default: {','.join(USUAL)}; also"
        f" {', '.join(name for name in CONTENDERS if name not in USUAL)}; for"
        " memory_model: methods",
    )
    add("--dtype", default="fp32", choices=list(_DTYPES), help="of the backbone (default: fp32); start takes all")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    add("--threads", type=int, help="CPU threads; default: torch's own choice")
    add("--measured-to", type=int, default=2048, help="widest model that scaling times (default: 2048)")
    add("--rounds", type=int, help="timed rounds; default: 5 for step, 1 for init, 9 for ops")
    add("--to", type=Path, metavar="DIR", help="write the measurement into DIR as .json and .md")
    return parser


def _names(arguments: argparse.Namespace) -> list[str]:
    usual, known = USUAL, list(CONTENDERS)
    if arguments.what == "init":
        usual = ("peft_frod", "frod")
    elif arguments.what == "start":
        usual = START
    elif arguments.what == "memory_model":
        usual = known = method_names()
    names = arguments.contenders.split(",") if arguments.contenders else list(usual)
    for name in names:
        if name not in known:
            raise RequestError(f"--contenders {name} is not known. {nearest(name, known)}")
    return names


def _setting(arguments: argparse.Namespace) -> Setting:
    arch = ARCHITECTURES[arguments.shape]
    for name in ("layers", "batch", "length", "narrow", "rank", "threads", "rounds", "measured_to"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise RequestError(f"--{name.replace('_', '-')} {value} is not accepted: a whole number of 1 or more is.")
    if not 0 <= arguments.sparsity <= 1:
        raise RequestError(f"--sparsity {arguments.sparsity} is not accepted: the density of S lies in [0, 1].")
    if arguments.length is not None and arch.length is None and arguments.what != "scaling":
        raise RequestError(f"--length is not accepted with --shape {arch.name}, whose input is an image.")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("--device cuda is not to be had: torch sees no CUDA device. Use --device cpu.")
    return Setting(
        architecture=arch,
        layers=arguments.layers or arch.layers,
        batch=arguments.batch or arch.batch,
        length=arguments.length or arch.length,
        sparsity=arguments.sparsity,
        rank=arguments.rank,
        dtype=_DTYPES[arguments.dtype],
        device=torch.device(arguments.device),
        narrow=arguments.narrow,
    )


def _about(arguments: argparse.Namespace, setting: Setting) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if setting.device.type == "cuda" else "cpu"
    device = f"{name}, {torch.get_num_threads()} threads" if name == "cpu" else name
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
    return about | {"setting": values, "environment": environment(device)}


def _dtype(arguments: argparse.Namespace) -> str:
    return "all" if arguments.what == "start" else arguments.dtype


def _write(arguments: argparse.Namespace, setting: Setting, result: dict[str, Any], text: str) -> list[Path]:
    size = f"{setting.layers}x{setting.batch}" + (f"x{setting.length}" if setting.length else "")
    size += f"_narrow{setting.narrow}" if setting.narrow > 1 else ""
    parts = [arguments.what]
    if arguments.what != "scaling":
        parts += [setting.architecture.name, size, _dtype(arguments), setting.device.type]
    files = {"json": json.dumps(result, indent=2) + "\n", "md": text}
    return write_texts(arguments.to, {f"{'_'.join(parts)}.{suffix}": content for suffix, content in files.items()})
