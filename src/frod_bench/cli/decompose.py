"""`frod-bench decompose`: compute FRoD's bases of a model directory and cache them, one group of layers at a time."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from frod_bench.cli.parser import command_parser
from frod_bench.config.catalogue import read_group
from frod_bench.console import show
from frod_bench.errors import RequestError, did_you_mean

_DTYPES = ("float32", "bfloat16", "float16")  # those of `backbones.directory.DTYPES`, which imports torch
_EXAMPLES = """\
examples:
  frod-bench decompose ~/models/llama2-7b --backbone llama2_7b --device cuda
  frod-bench decompose ~/models/roberta-large --backbone roberta_large --basis global
  frod-bench decompose ~/models/distilbert --backbone own/text
  frod-bench decompose DIR --targets c_attn,c_proj --head score --dtype bfloat16

A later run with backbone.path=DIR (roberta_large and llama2_7b; the packaged backbones read no directory), or attach()
in your own script, finds the bases in the cache. After an interruption, repeat the command: it continues where it was.
"""


def main(argv: list[str]) -> int:
    """Decompose every group of layers and print a line for each.

    Raises RequestError for a model that is missing or cannot be decomposed, RunFailure when a basis cannot be stored.
    """
    arguments = _parser().parse_args(argv)
    targets, head, dtype = _choices(arguments)
    import torch  # with the libraries below it takes seconds; --help and most refusals need none of them
    from transformers.pytorch_utils import Conv1D

    from frod_bench.backbones.directory import DTYPES
    from frod_bench.backbones.model_files import AUTO
    from frod_bench.backbones.own import OwnText
    from frod_bench.backbones.shards import LayerWeights, ModelShards
    from frod_bench.linalg.cache import cache_directory
    from frod_bench.linalg.joint_stored import stored_joint_factors
    from frod_bench.methods.frod import Frod
    from frod_bench.methods.support.frod_groups import layer_shapes
    from frod_bench.methods.support.injection import find_targets
    from frod_bench.train.memory import peak_memory, reset_peak

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("--device cuda is not available: torch sees no CUDA device. Use --device cpu.")
    options = {} if arguments.pi is None else {"pi": arguments.pi}
    method = Frod(basis=arguments.basis, side=arguments.side, **options)
    device, shards = torch.device(arguments.device), ModelShards(arguments.directory.expanduser().resolve())
    own = OwnText("own/text", None, targets, head, path=str(shards.directory))  # which finds what is `auto`
    targets, head = (own.targets, own.head) if AUTO in (targets, head) else (targets, head)
    layers = dict(find_targets(shards.model(), targets, head))
    shapes = layer_shapes(layers)
    grouping = method.grouping
    groups = grouping.groups(shapes)
    costs = [grouping.decomposition_cost([shapes[name] for name in names]) for names in groups.values()]
    _require_writable(cache_directory())
    reset_peak()
    begin = time.perf_counter()
    for number, (group, names) in enumerate(groups.items(), start=1):
        transposed = [isinstance(layers[name], Conv1D) != grouping.is_short(shapes[name]) for name in names]
        weights = LayerWeights(shards, names, transposed, DTYPES[dtype], device)
        start = time.perf_counter()
        blocks = grouping.blocks(names)
        factors = stored_joint_factors(names, weights, blocks, method.pi, in_memory=False, must_keep=True)
        show(
            f"{number}/{len(groups)} {group}: {len(names)} layers, largest relative error"
            f" {factors['errors'].max():.2g}, {time.perf_counter() - start:.1f} s"
            f"{_left(time.perf_counter() - begin, costs, number)}"
        )
        del factors
    peak, kind = peak_memory(device)
    show(f"stored in {cache_directory()}; peak memory of the {kind} {peak / 2**20:,.0f} MiB")
    return 0


def _left(seconds: float, costs: list[float], done: int) -> str:
    """Return the time left after `done` groups of these costs, which took so many seconds; '' after the last."""
    left = seconds * sum(costs[done:]) / sum(costs[:done])
    return f", about {left:,.0f} s left" if done < len(costs) else ""


def _choices(arguments: argparse.Namespace) -> tuple[list[str], list[str], str]:
    """Return targets, head and dtype: the backbone's, or those that were typed."""
    values: dict[str, Any] = {"targets": [], "head": [], "dtype": "float32"}
    if arguments.backbone is not None:
        known = read_group("backbone")
        if arguments.backbone not in known:
            raise RequestError(
                f"--backbone {arguments.backbone} is not known. {did_you_mean(arguments.backbone, known)}"
            )
        values |= known[arguments.backbone]
    elif arguments.targets is None:
        raise RequestError("Which layers? Give --backbone NAME (frod-bench list backbones) or --targets NAME,NAME.")
    typed = {key: getattr(arguments, key) for key in ("targets", "head")}
    values |= {key: text.split(",") for key, text in typed.items() if text is not None}
    dtype = arguments.dtype or values["dtype"]
    if dtype not in _DTYPES:
        raise RequestError(f"--dtype {dtype} is not known. {did_you_mean(dtype, _DTYPES)}")
    return values["targets"], values["head"], dtype


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise RequestError(f"The cache {folder} cannot be written. Set FROD_BENCH_CACHE to a folder that can.")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench decompose",
        "Compute FRoD's shared bases of a model directory and keep them in the cache. The weights are read from their"
        " safetensors files one layer at a time; the whole model is never loaded.",
        _EXAMPLES,
    )
    add = parser.add_argument
    add("directory", type=Path, metavar="DIR", help="a model as save_pretrained writes it, in one file or in shards")
    add("--backbone", help="take targets, head and dtype from this backbone, as for backbone=")
    add("--targets", help="comma-separated names of the layers")
    add("--head", help="comma-separated names of the modules that form the head; no layer in them is a target")
    add("--basis", default="category", choices=["category", "global"], help="as for method.basis=")
    add("--side", default="input", choices=["input", "short"], help="as for method.side=")
    add("--pi", type=float, help="as for method.pi= (default: the method's)")
    add("--dtype", help=f"of the weights in the run: {', '.join(_DTYPES)}; as for backbone.dtype=")
    add("--device", default="cpu", choices=["cpu", "cuda"], help="where to compute (default: cpu)")
    return parser
