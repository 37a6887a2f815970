"""The arguments of `frod-bench bench`: one parser for each measurement, with what it does and what it takes."""

import argparse
from pathlib import Path

from frod_bench.bench.names import FROD_VARIANTS, PEFT, SHAPES, START, USUAL
from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import choices
from frod_bench.errors import RequestError, did_you_mean

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
ROUNDS = {"step": 5, "init": 1, "ops": 9}  # by default; the others have none

_UNUSED = "not used here"

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
        " number says how it was found. Of the options, --length, --measured-to, --threads and --to apply.",
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
    if not 0 <= arguments.sparsity <= 1:
        raise RequestError(f"--sparsity {arguments.sparsity} is not accepted: the density of S lies in [0, 1].")
    if arguments.length is not None and SHAPES[arguments.shape][1] is None and arguments.what != "scaling":
        raise RequestError(f"--length is not accepted with --shape {arguments.shape}, whose input is an image.")


def _add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options, the same for every measurement, so that one line of options serves a series of them."""
    usual = _usual(what)
    others = [name for name in _known(what) if name not in usual]
    contenders = "methods" if what == "memory_model" else "contenders"
    contenders += f", separated by commas (default: {','.join(usual)}"
    contenders += f"; also {', '.join(others)})" if others else ")"
    rounds = f"timed rounds (default: {ROUNDS[what]})" if what in ROUNDS else _UNUSED
    dtype = _UNUSED if what == "start" else "dtype of the backbone (default: fp32)"
    widest = "width up to which models are timed (default: 2048)" if what == "scaling" else _UNUSED
    add = parser.add_argument
    add("--shape", default="clip_vit_b32", choices=list(SHAPES), help="the backbone (default: %(default)s)")
    add("--layers", type=int, help="blocks (default: all of the backbone's)")
    add("--batch", type=int, help="rows per step")
    add("--length", type=int, help="tokens per row, for text")
    add("--narrow", type=int, default=1, help="divide the backbone's widths by this, for a rehearsal (default: 1)")
    add("--sparsity", type=float, default=0.02, help="density of S (default: 0.02)")
    add("--rank", type=int, default=64, help="rank of LoRA and the methods built on it, not of VeRA (default: 64)")
    add("--contenders", help=contenders)
    add("--dtype", default="fp32", choices=list(DTYPES), help=dtype)
    add("--device", choices=["cpu", "cuda"], help="default: cuda where torch sees a device, else cpu")
    add("--threads", type=int, help="CPU threads (default: torch's own choice)")
    add("--measured-to", type=int, default=2048, help=widest)
    add("--rounds", type=int, help=rounds)
    add("--to", type=Path, metavar="DIR", help="write the measurement into DIR as .json and .md")


def _usual(what: str) -> list[str]:
    if what == "memory_model":
        return choices("method")
    return list({"init": ("peft_frod", "frod"), "start": START}.get(what, USUAL))


def _known(what: str) -> list[str]:
    return choices("method") if what == "memory_model" else ["base", *choices("method"), *FROD_VARIANTS, *PEFT]
