"""Pretrain the backbone `vit_tiny` on CIFAR-10 and write its weights into the package.

    python scripts/pretrain_vit_tiny.py --root DIR [--to FOLDER]

DIR holds CIFAR-10 as `data.root` does: DIR/uoft-cs/cifar10/plain_text/{train,test}.parquet. Training is supervised,
with the classifier that the harness puts on every image tower (mean over patch tokens, linear head), so the features
suit it. Half of the patches are dropped in training (Li et al. 2023, arXiv 2212.00794), except in the last epochs.
Writes model.safetensors (float16, without the head) and training.json.
"""

import argparse
import io
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from datasets import Dataset, Image
from PIL import Image as Pillow
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from frod_bench.backbones.clip_tower import PatchMeanClassifier
from frod_bench.backbones.image_transform import ImageTransform
from frod_bench.backbones.vit import ASSETS, make_tower
from frod_bench.config.paths import config_dir
from frod_bench.files import replacing, save_text

SETTINGS = {
    "seed": 0,
    "epochs": 13,
    "whole_image_epochs": 2,
    "patch_dropout": 0.5,
    "batch_size": 64,
    "lr": 1e-3,
    "warmup": 0.08,
    "weight_decay": 0.05,
    "clip_norm": 1.0,
    "label_smoothing": 0.1,
}


def read(root: Path, split: str, transform: ImageTransform) -> tuple[Tensor, Tensor]:
    """Return the images of a split, uint8 [rows, 3, size, size], and their labels [rows]."""
    rows = Dataset.from_parquet(str(root / f"uoft-cs/cifar10/plain_text/{split}.parquet"), keep_in_memory=True)
    encoded = rows.cast_column("img", Image(decode=False))["img"]
    images = [transform.resize(Pillow.open(io.BytesIO(image["bytes"])).convert("RGB")) for image in encoded]
    return torch.from_numpy(np.stack(images)), torch.tensor(rows["label"])


def augment(pixels: Tensor) -> Tensor:
    """Shift each image [batch, 3, size, size] by up to an eighth of its size, and mirror each with probability 1/2."""
    batch, _, size, _ = pixels.shape
    reach = size // 8
    wide = pad(pixels, (reach, reach, reach, reach))
    tops, lefts = torch.randint(0, 2 * reach + 1, (2, batch)).tolist()
    moved = torch.stack([wide[i, :, tops[i] : tops[i] + size, lefts[i] : lefts[i] + size] for i in range(batch)])
    mirrored = torch.rand(batch) < 0.5
    moved[mirrored] = moved[mirrored].flip(-1)
    return moved


@torch.no_grad()
def accuracy(model: nn.Module, pixels: Tensor, labels: Tensor, transform: ImageTransform) -> float:
    """Return the share of correct predictions."""
    model.eval()
    right = 0
    for rows, wanted in zip(pixels.split(250), labels.split(250), strict=True):
        right += (model(transform.normalise(rows)).logits.argmax(-1) == wanted).sum().item()
    return right / len(labels)


def train(model: PatchMeanClassifier, pixels: Tensor, labels: Tensor, transform: ImageTransform) -> None:
    """Train in place and print a line per epoch."""
    s = SETTINGS
    steps = s["epochs"] * math.ceil(len(labels) / s["batch_size"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=s["lr"], weight_decay=s["weight_decay"], fused=True)
    rise = round(s["warmup"] * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda t: (t + 1) / rise if t < rise else 0.5 + 0.5 * math.cos(math.pi * (t - rise) / (steps - rise)),
    )
    for epoch in range(s["epochs"]):
        model.train()
        if epoch == s["epochs"] - s["whole_image_epochs"]:
            model.vision_model.patch_dropout = nn.Identity()
        start, total = time.process_time(), 0.0
        for rows in torch.randperm(len(labels)).split(s["batch_size"]):
            logits = model(augment(transform.normalise(pixels[rows]))).logits
            loss = cross_entropy(logits, labels[rows], label_smoothing=s["label_smoothing"])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), s["clip_norm"])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item() * len(rows)
        cpu_s = time.process_time() - start
        print(f"epoch {epoch + 1}/{s['epochs']}  loss {total / len(labels):.3f}  CPU {cpu_s:.0f} s", flush=True)


def main() -> None:
    """Read the data, train, evaluate the weights in their stored precision, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="data root with uoft-cs/cifar10/plain_text")
    parser.add_argument("--to", type=Path, default=ASSETS / "vit_tiny", help="folder for the weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SETTINGS["seed"])
    architecture = yaml.safe_load((config_dir() / "backbone/vit_tiny.yaml").read_text())["architecture"]
    transform = ImageTransform(architecture["image_size"])
    (pixels, labels), (test_pixels, test_labels) = (
        read(arguments.root, split, transform) for split in ("train", "test")
    )
    model = PatchMeanClassifier(make_tower(**architecture, patch_dropout=SETTINGS["patch_dropout"]), 10)
    start = time.process_time()
    train(model, pixels, labels, transform)
    seconds = time.process_time() - start
    for parameter in model.vision_model.parameters():
        parameter.data = parameter.data.half().float()
    result = {
        "data": "uoft-cs/cifar10",
        "train_rows": len(labels),
        "test_rows": len(test_labels),
        "train_accuracy": accuracy(model, pixels, labels, transform),
        "test_accuracy": accuracy(model, test_pixels, test_labels, transform),
        "cpu_s": round(seconds),
        "torch": torch.__version__,
        "settings": SETTINGS,
    }
    arguments.to.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in model.vision_model.state_dict().items()}
    with replacing(arguments.to / "model.safetensors") as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    save_text(arguments.to / "training.json", json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
