"""Train every method on one process and on two under torchrun, and compare the losses.

    python scripts/two_ranks.py [--methods frod,lora] [--task commonsense/boolq] [--shard] [--to DIR] [OVERRIDE …]

Each epoch is a single step, so the records hold the loss of every step and a full evaluation after it. A step has 27
rows in micro-batches of 14 and 13, which two processes cannot share evenly; the 21 evaluation rows come in batches of
8, 8 and 5.
Random tiny backbones without dropout, generated rows, float32. With --shard the two also split the weights. The exit
code is 1 when a loss differs by more than the relative tolerance, or a metric at all.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

from tabulate import tabulate

from frod_bench.cli import run_command
from frod_bench.files import save_text
from frod_bench.methods import method_names
from frod_bench.record import StoredRun, environment, find_records

TOLERANCE = 1e-5
RUN = [
    "profile=smoke", "data.max_train=27", "train.batch_size=27", "train.gradient_accumulation_steps=2",
    "data.max_eval=21", "train.eval_batch_size=8", "train.device=cpu", "train.precision='no'", "selection=last",
]  # fmt: skip


def train(processes: int, words: list[str], out: Path) -> dict[str, StoredRun]:
    """Run the sweep `words` below `out`, in this process or on several under torchrun; return the runs by method."""
    sweep = ["-m", *RUN, *words]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*launcher, "-m", "frod_bench", *sweep] if processes > 1 else ["frod-bench", *sweep]
    place = {"FROD_BENCH_OUT": str(out / f"{processes}"), "FROD_BENCH_CACHE": str(out / f"cache{processes}")}
    print(shlex.join(command), flush=True)
    with mock.patch.dict(os.environ, place), mock.patch.object(sys, "argv", command[:1]):
        code = subprocess.run(command, check=False).returncode if processes > 1 else run_command(sweep)
    if code:
        sys.exit(code)
    runs = find_records(out / f"{processes}").runs  # the newest are this sweep's; there may be older ones
    runs.sort(key=lambda run: (run.path / "record.json").stat().st_mtime_ns)
    return {run.record.method: run for run in runs}


def compare(one: StoredRun, two: StoredRun) -> dict[str, Any]:
    """Return the largest relative difference of a step's loss, how many metrics differ, and the last losses."""
    pairs = list(zip(one.metrics, two.metrics, strict=True))
    return {
        "method": one.record.method,
        "steps": len(pairs),
        "loss_one": pairs[-1][0]["train_loss"],
        "loss_two": pairs[-1][1]["train_loss"],
        "largest_relative_difference": max(abs(a["train_loss"] - b["train_loss"]) / a["train_loss"] for a, b in pairs),
        "metrics_that_differ": sum(a["eval"][name] != b["eval"][name] for a, b in pairs for name in a["eval"]),
        "evaluation_rows": two.record.samples["eval"],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Train, compare, print the table and write it."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", help="comma-separated (default: all)")
    parser.add_argument(
        "--task",
        default="commonsense/boolq",
        help="as for task=; its tiny backbone must have no dropout: commonsense and vision tasks qualify",
    )
    parser.add_argument("--shard", action="store_true", help="train.shard=true on two processes")
    parser.add_argument("--steps", type=int, default=6, help="optimizer steps (default: 6)")
    parser.add_argument("--to", type=Path, help="write two_ranks.json and .md into this folder")
    parser.add_argument("--out", type=Path, default=Path("outputs/two_ranks"), help="folder for the runs")
    parser.add_argument("overrides", nargs="*", help="overrides for every run, as for frod-bench")
    arguments = parser.parse_intermixed_args(argv)
    named = [name for name in method_names() if name != "peft"]  # which needs a type
    methods = arguments.methods.split(",") if arguments.methods else named
    words = [f"train.epochs={arguments.steps}", f"method={','.join(methods)}", f"task={arguments.task}", "force=true"]
    words += arguments.overrides
    out = arguments.out.resolve()
    one, two = train(1, words, out), train(2, words + ["train.shard=true"] * arguments.shard, out)
    rows = [compare(one[method], two[method]) for method in methods]
    result = {"command": shlex.join(["python", "scripts/two_ranks.py", *argv]), "tolerance": TOLERANCE, "rows": rows}
    result["environment"] = environment("cpu, 1 thread a process, gloo")
    text = _markdown(result, ", which split the weights," if arguments.shard else "")
    print(text, end="")
    if arguments.to is not None:
        arguments.to.mkdir(parents=True, exist_ok=True)
        name = "two_ranks_shard" if arguments.shard else "two_ranks"
        save_text(arguments.to / f"{name}.json", json.dumps(result, indent=2) + "\n")
        save_text(arguments.to / f"{name}.md", text)
    return int(any(r["largest_relative_difference"] > TOLERANCE or r["metrics_that_differ"] for r in rows))


def _markdown(result: dict[str, Any], how: str) -> str:
    place = result["environment"]
    versions = ", ".join(f"{name} {place['packages'][name]}" for name in ("torch", "accelerate", "peft"))
    columns = list(result["rows"][0])
    body = [[f"{v:.3g}" if isinstance(v, float) else v for v in row.values()] for row in result["rows"]]
    table = tabulate(body, [c.replace("_", " ") for c in columns], tablefmt="github", disable_numparse=True)
    return (
        f"# Two processes{how} against one, at the same effective batch\n\n"
        f"`{result['command']}`\n\n{place['device']}; {versions}; commit {place['commit'] or 'unknown'}"
        f"{' with changes' if place['dirty'] else ''}. Tolerance {result['tolerance']:g} relative.\n\n{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
