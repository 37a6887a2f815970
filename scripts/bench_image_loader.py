"""Count images per CPU second through our loader and through open_clip's transform in a plain DataLoader.

    python scripts/bench_image_loader.py --root DIR [--to results/bench/image_loader.csv]

DIR holds the vision tasks as `data.root` does. Three loaders of 512 training rows, 224 pixels, batch 64, one process:
plain   decodes and transforms each image on request (open_clip.image_transform);
cold    ours with an empty cache: decode, resize and write every image, then read a first epoch;
cached  ours in every later epoch and run.
They take turns for three rounds, and the best of each counts. Seconds are CPU time summed over threads, so other work
on the machine does not show, and neither does the wall time that threads save.
"""

import argparse
import csv
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset, Image
from open_clip import image_transform
from PIL import Image as Pillow
from torch.utils.data import DataLoader

from frod_bench.backbones.image_transform import ImageTransform
from frod_bench.config.catalogue import read_group
from frod_bench.files import replacing
from frod_bench.tasks.base import TaskData
from frod_bench.tasks.selection import subset
from frod_bench.tasks.sources.local import LocalSource
from frod_bench.tasks.vision import ImageTask

SIZE, BATCH, ROUNDS, MOST = 224, 64, 3, 512
TASKS = ("vision/resisc45", "vision/cars", "vision/gtsrb")


class Plain(torch.utils.data.Dataset):
    """The obvious loader: open_clip's transform on every requested image."""

    def __init__(self, rows: Dataset):
        self.rows, self.transform = rows, image_transform(SIZE, is_train=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        row = self.rows[index]
        return self.transform(Pillow.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")), row["label"]


def load(task: ImageTask, root: Path) -> TaskData:
    """Return at most MOST of the task's training rows and one evaluation row."""
    options = {"max_length": None, "text": None, "max_train": MOST, "max_eval": 1, "holdout": False}
    return task.load(LocalSource(root), ImageTransform(SIZE), **options)


def epoch(loader: Callable[[], DataLoader]) -> float:
    """Return the CPU seconds of building a loader and reading it to the end."""
    start = time.process_time()
    for _ in loader():
        pass
    return time.process_time() - start


def measure(name: str, root: Path) -> dict:
    """Return the row of one task: images per CPU second and ratios."""
    values = read_group("task")[name]
    task = ImageTask(**{key: value for key, value in values.items() if not key.startswith("_")})
    stored = LocalSource(root).read(task.repo, task.config, task.train_split, task.schema)
    rows = subset(stored, MOST, "MOST").select_columns(["image", "label"]).cast_column("image", Image(decode=False))

    def ours() -> DataLoader:
        data = load(task, root)
        return DataLoader(data.train, batch_size=BATCH, collate_fn=data.collate)

    seconds: dict[str, list[float]] = {"plain": [], "cold": [], "cached": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FROD_BENCH_CACHE"] = cache
            seconds["plain"].append(epoch(lambda: DataLoader(Plain(rows), batch_size=BATCH)))
            seconds["cold"].append(epoch(ours))
            loader = ours()
            seconds["cached"].append(epoch(lambda loader=loader: loader))
    rates = {way: len(rows) / min(values) for way, values in seconds.items()}
    return {
        "task": name,
        "images": len(rows),
        "size": SIZE,
        "batch": BATCH,
        **{f"{way}_images_per_cpu_s": round(rate) for way, rate in rates.items()},
        "cold_over_plain": round(rates["cold"] / rates["plain"], 2),
        "cached_over_plain": round(rates["cached"] / rates["plain"], 2),
    }


def main() -> None:
    """Measure every task and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="data root with the vision tasks")
    parser.add_argument("--to", type=Path, default=Path("results/bench/image_loader.csv"))
    arguments = parser.parse_args()
    table = [measure(name, arguments.root) for name in TASKS]
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    with replacing(arguments.to) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(arguments.to.read_text())


if __name__ == "__main__":
    main()
