"""The arguments of `frod-bench bench`: one parser for each measurement, with what it does and what it takes."""

import argparse
from pathlib import Path
from typing import Any

from frod_bench.bench.names import FROD_VARIANTS, GPU, PEFT, SHAPES, START, USUAL
from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import choices
from frod_bench.errors import RequestError, did_you_mean

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
ROUNDS = {"step": 5, "init": 1, "ops": 9, "gpu": 5}  # by default; the others have none
MINUTES = 10  # of bench gpu, by default

# measurement: one line for the list, a description, an example
_BENCHES = {
    "step": (
        "time a training step and its memory",
        "Time one training step of each contender on a backbone's shapes: forward, backward and AdamW, with FLOPs, peak"
        " memory and an evaluation pass. Ratios come from one process in which the contenders take turns. FRoD's"
        " outputs, gradients and twenty steps are compared with PEFT's first; where they differ, nothing is timed.",
        "frod-bench bench step --shape clip_vit_b32 --threads 2 --to results/bench\n"
        "  frod-bench bench step --shape roberta_large --batch 32 --length 128 --contenders lora,peft_frod,frod\n"
        "  frod-bench bench step --shape llama2_7b --dtype bf16 --device cuda",
    ),
    "init": (
        "time the initialisation",
        "Time how long FRoD takes to decompose and adapt a whole backbone, against PEFT's FRoD, and again from the"
        " cache. Both are checked against each other first.",
        "frod-bench bench init --shape clip_vit_b32 --rounds 1",
    ),
    "start": (
        "measure the distance from the base model before the first step",
        "Measure how far an adapted model is from its base model before the first step, in training and in evaluation,"
        " for each way of FRoD, for PEFT's FRoD and for every dtype.",
        "frod-bench bench start --shape clip_vit_b32 --layers 4 --batch 8",
    ),
    "ops": (
        "time single operations",
        "Time the products around S by pattern, and the ways to compute a FRoD layer at every layer shape of a"
        " backbone, beside what the cost model chooses. A product that differs from the dense one ends it.",
        "frod-bench bench ops --shape roberta_large --sparsity 0.01",
    ),
    "gpu": (
        "check and time everything on a GPU, in ten minutes",
        "Check FRoD against PEFT's on this device, then time a step of every contender at the shapes of CLIP ViT-B/32,"
        " RoBERTa-large and LLaMA2-7B, beside the time that the counted products take at the machine's measured rate."
        " With --to, the table is written after each backbone. --layers, --batch and --narrow make a rehearsal.",
        "frod-bench bench gpu --dtype bf16 --to results/bench\n"
        "  frod-bench bench gpu --device cpu --narrow 8 --layers 2 --batch 2 --contenders lora,frod",
    ),
    "memory_model": (
        "compare predicted memory with measured memory",
        "Compare the memory that is predicted for every method with what a process of its own takes, for the"
        " initialisation and for a training step.",
        "frod-bench bench memory_model --shape minilm --threads 1 --to results/bench",
    ),
    "scaling": (
        "estimate time and memory from 125M to 70B parameters",
        "Estimate initialisation time, memory and step time of every method from 125 million to 70 billion parameters."
        " Models as wide as --measured-to and narrower are timed; beyond that, times follow from the operations. Each"
        " number says how it was found.",
        "frod-bench bench scaling --threads 1 --to results/bench",
    ),
}


def bench_parser() -> argparse.ArgumentParser:
    """Return the parser, with a parser of its own for each measurement."""
    parser = command_parser(
        "frod-bench bench",
        "Measure the speed and memory of FRoD against PEFT's FRoD, LoRA, DoRA, VeRA and full fine-tuning, on random"
        " weights of a backbone's shapes. `frod-bench bench step --help` explains one measurement and its options.",
        "examples:\n" + "\n".join(f"  {example}" for _, _, example in _BENCHES.values()),
    )
    benches = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, (summary, description, example) in _BENCHES.items():
        described = command_parser(f"frod-bench bench {name}", description, f"examples:\n  {example}")
        own = benches.add_parser(
            name,
            help=summary,
            description=described.description,
            epilog=described.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_options(own, name)
    return parser


def requested_names(arguments: argparse.Namespace) -> list[str]:
    """Return the contenders, of memory_model the methods. Raises RequestError for an unknown one."""
    usual, known = _usual(arguments.what), _known(arguments.what)
    names = arguments.contenders.split(",") if arguments.contenders else usual
    for name in names:
        if name not in known:
            raise RequestError(f"--contenders {name} is not known. {did_you_mean(name, known)}")
    return names


def check_numbers(arguments: argparse.Namespace) -> None:
    """Raise RequestError for a number that is not accepted."""
    for name in ("layers", "batch", "length", "narrow", "rank", "threads", "rounds", "measured_to"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise RequestError(f"--{name.replace('_', '-')} {value} is not accepted: a whole number of 1 or more is.")
    if not arguments.minutes > 0:
        raise RequestError(f"--minutes {arguments.minutes} is not accepted: a number above 0 is.")
    if not 0 <= arguments.sparsity <= 1:
        raise RequestError(f"--sparsity {arguments.sparsity} is not accepted: the density of S lies in [0, 1].")
    if arguments.length is not None and SHAPES[arguments.shape][1] is None and arguments.what != "scaling":
        raise RequestError(f"--length is not accepted with --shape {arguments.shape}, whose input is an image.")


def _add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options of a measurement; those that it does not have get their defaults."""
    usual = _usual(what)
    others = [name for name in _known(what) if name not in usual]
    contenders = "methods" if what == "memory_model" else "contenders"
    contenders += f", separated by commas (default: {','.join(usual)}"
    contenders += f"; also {', '.join(others)})" if others else ")"
    shaped, scaling = what not in ("scaling", "gpu"), what == "scaling"

    def add(name: str, help: str, used: bool = True, **options: Any) -> None:
        if used:
            parser.add_argument(name, help=help, **options)
        else:
            parser.set_defaults(**{name.strip("-").replace("-", "_"): options.get("default")})

    add("--shape", "the backbone (default: %(default)s)", shaped, default="clip_vit_b32", choices=list(SHAPES))
    add("--layers", "blocks (default: all of the backbone's)", not scaling, type=int)
    add("--batch", "rows per step", not scaling, type=int)
    add("--length", "tokens per row, for text", what != "gpu", type=int)
    narrow = "divide the backbone's widths by this, for a rehearsal (default: 1)"
    add("--narrow", narrow, not scaling, type=int, default=1)
    add("--sparsity", "density of S (default: 0.02)", not scaling, type=float, default=0.02)
    rank = "rank of LoRA and the methods built on it, not of VeRA (default: 64)"
    add("--rank", rank, not scaling, type=int, default=64)
    add("--contenders", contenders, not scaling)
    dtype = "dtype of the backbone (default: %(default)s)"
    add("--dtype", dtype, what not in ("start", "scaling"), default="bf16" if what == "gpu" else "fp32", choices=DTYPES)
    add("--device", "default: cuda where torch sees a device, else cpu", not scaling, choices=["cpu", "cuda"])
    add("--threads", "CPU threads (default: torch's own choice)", type=int)
    add("--measured-to", "width up to which models are timed (default: 2048)", scaling, type=int, default=2048)
    add("--rounds", f"timed rounds (default: {ROUNDS.get(what)})", what in ROUNDS, type=int)
    add(
        "--minutes", f"start nothing new after so long (default: {MINUTES})", what == "gpu", type=float, default=MINUTES
    )
    add("--to", "write the measurement into DIR as .json and .md", type=Path, metavar="DIR")


def _usual(what: str) -> list[str]:
    if what == "memory_model":
        return choices("method")
    return list({"init": ("peft_frod", "frod"), "start": START, "gpu": GPU}.get(what, USUAL))


def _known(what: str) -> list[str]:
    return choices("method") if what == "memory_model" else ["base", *choices("method"), *FROD_VARIANTS, *PEFT]
