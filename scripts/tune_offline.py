"""Tune the learning rates of `profile=offline`: the same number of trials for every method, on training rows only.

    python scripts/tune_offline.py --root DIR [--task glue/sst2] [--methods vera,goat] [--jobs 2] [train.precision=bf16]

DIR holds the task as `data.root` does. Its training rows are divided: 1,000 train and 1,500 evaluate for GLUE, 600 and
400 for images. The evaluation rows of a real run are not read. Prints one table; the best rates are copied by hand into
the suite's recipe. Trials that are complete in --out are not run again.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

from frod_bench.config.catalogue import read_group
from frod_bench.config.paths import config_dir
from frod_bench.files import replacing
from frod_bench.methods import make_method

ROWS = {"glue": (1000, 1500), "vision": (600, 400)}  # training rows, evaluation rows
LOW_RANK = [
    (5e-4, 1e-3), (1e-3, 1e-3), (2e-3, 1e-3), (3e-3, 1e-3), (1e-3, 1e-2), (2e-3, 1e-2),
    (2e-4, 1e-3), (5e-4, 1e-2), (7e-4, 1e-3),
]  # fmt: skip
VECTORS = [(a, h) for h in (1e-3, 1e-2) for a in (5e-3, 1e-2, 2e-2, 5e-2)] + [(1e-1, 1e-2)]
GLUE = {  # rates in the order of the method's roles
    "full_ft": [
        (1e-4, 1e-4), (2e-4, 2e-4), (3e-4, 3e-4), (5e-5, 1e-3), (1e-4, 1e-3), (2e-4, 1e-3),
        (5e-5, 5e-5), (1e-4, 1e-2), (1.5e-4, 1.5e-4),
    ],
    "lora": LOW_RANK,
    "frod": [
        (5e-3, 5e-4, 1e-3), (1e-2, 1e-3, 1e-3), (5e-3, 5e-4, 1e-2), (1e-2, 1e-3, 1e-2), (2e-2, 2e-3, 1e-2),
        (5e-3, 2e-3, 1e-2), (1e-2, 5e-3, 1e-2), (2e-2, 5e-3, 1e-2), (3e-2, 1e-2, 1e-2),
    ],
    "vera": VECTORS,
    "randlora": LOW_RANK,
    "pissa": LOW_RANK,
    "milora": LOW_RANK,
    "dora": LOW_RANK,
    "goat": LOW_RANK,
    "fura": LOW_RANK,
    "qfura": LOW_RANK,
    "qlora": LOW_RANK,
}  # fmt: skip
LOW_RANK_IMAGES = [(1e-3, 1e-3), (3e-3, 1e-3), (1e-3, 1e-2), (3e-3, 1e-2), (1e-2, 1e-2), (3e-2, 1e-2)]
VISION = {
    "full_ft": [(1e-4, 1e-3), (3e-4, 1e-3), (1e-3, 1e-3), (3e-4, 1e-2), (1e-3, 1e-2), (3e-3, 1e-2)],
    "lora": LOW_RANK_IMAGES,
    "frod": [
        (1e-2, 5e-3, 1e-2), (1e-2, 1e-2, 1e-2), (3e-2, 3e-3, 1e-2), (3e-2, 1e-2, 1e-2), (3e-2, 3e-2, 1e-2),
        (1e-1, 3e-2, 1e-2),
    ],
    "vera": [(1e-2, 1e-3), (3e-2, 1e-3), (1e-2, 1e-2), (3e-2, 1e-2), (1e-1, 1e-2), (3e-1, 1e-2)],
    "randlora": LOW_RANK_IMAGES,
    "pissa": LOW_RANK_IMAGES,
    "milora": LOW_RANK_IMAGES,
    "dora": LOW_RANK_IMAGES,
    "goat": LOW_RANK_IMAGES,
    "fura": LOW_RANK_IMAGES,
    "qfura": LOW_RANK_IMAGES,
    "qlora": LOW_RANK_IMAGES,
}  # fmt: skip
TRIALS = {"glue": GLUE, "vision": VISION}


def divide(task: str, root: Path, out: Path) -> Path:
    """Split the task's training rows in two, write them as a data root and return it."""
    values = read_group(config_dir() / "task")[task]
    place, (train, evaluation) = Path(values["repo"], values["config"]), ROWS[values["suite"]]
    rows = pq.read_table(root / place / f"{values['train_split']}.parquet")
    (out / "data" / place).mkdir(parents=True, exist_ok=True)
    parts = {values["train_split"]: rows.slice(0, train), values["eval_splits"][0]: rows.slice(train, evaluation)}
    for split, part in parts.items():
        with replacing(out / "data" / place / f"{split}.parquet") as partial:
            pq.write_table(part, partial)
    return out / "data"


def main() -> int:
    """Run all trials, `--jobs` at a time, and print the table of every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="data root with the task's training rows")
    parser.add_argument("--task", default="glue/sst2", help="as for task=; its suite needs a table of trials here")
    parser.add_argument("--methods", help="comma-separated (default: all that have trials)")
    parser.add_argument("--out", type=Path, default=Path("outputs/tune"))
    parser.add_argument("--jobs", type=int, default=2, help="parallel processes, each with its share of the cores")
    parser.add_argument("overrides", nargs="*", help="overrides for every trial, as for frod-bench")
    arguments = parser.parse_args()
    data = divide(arguments.task, arguments.root, arguments.out)
    table = TRIALS[arguments.task.partition("/")[0]]
    methods = arguments.methods.split(",") if arguments.methods else list(table)
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    environment = os.environ | {"FROD_BENCH_OUT": str(arguments.out / "runs"), "OMP_NUM_THREADS": str(threads)}

    def run(trial: tuple[str, tuple[float, ...]]) -> int:
        method, rates = trial
        leaves = [f"train.lr.{role}={rate}" for role, rate in zip(make_method(method).roles, rates, strict=True)]
        command = [sys.executable, "-m", "frod_bench", f"method={method}", f"task={arguments.task}", "profile=offline"]
        command += [f"data.root={data}", *leaves, *arguments.overrides]
        return subprocess.run(command, env=environment, check=False).returncode

    trials = [(method, rates) for method in methods for rates in table[method]]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        codes = list(pool.map(run, trials))
    subprocess.run([sys.executable, "-m", "frod_bench", "report", str(arguments.out / "runs")], check=False)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
