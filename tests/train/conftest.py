"""A toy classifier and rows it can learn: the trainer sees methods and tasks only through their protocols."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from torch import nn

from frod_bench.methods import attach
from frod_bench.record import RunDirectory, RunRecord
from frod_bench.tasks.base import Metric, TaskData
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.settings import TrainSettings
from frod_bench.train.trainer import Trainer

WORDS, WIDTH = 20, 8
RATES = {
    "frod": {"diag": 1e-2, "sparse": 1e-2, "head": 1e-2},
    "lora": {"adapter": 1e-2, "head": 1e-2},
    "full_ft": {"backbone": 1e-2, "head": 1e-2},
}
OPTIONS = {"frod": {"sparsity": 0.1}, "lora": {"rank": 2, "dropout": 0.2}, "full_ft": {}}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)


class Toy(nn.Module):
    """Mean of the word vectors after two residual layers, and a linear head; pads count for nothing."""

    def __init__(self, dropout):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList([Block(), Block()])
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(WIDTH, 2)

    def forward(self, input_ids, attention_mask, labels):
        x = self.words(input_ids)
        for layer in self.layers:
            x = x + self.dropout(torch.tanh(layer.query(x)))
        mask = attention_mask[..., None].to(x.dtype)
        logits = self.classifier((x * mask).sum(1) / mask.sum(1))
        return SimpleNamespace(loss=nn.functional.cross_entropy(logits.float(), labels), logits=logits)


def make_rows(n, seed):
    """Rows of 2 to 9 words; the first word, 1 or 2, gives the label away."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for number in range(n):
        length = int(torch.randint(1, 9, (1,), generator=generator))
        words = torch.randint(3, WORDS, (length,), generator=generator).tolist()
        label = int(torch.randint(0, 2, (1,), generator=generator)) if number > 1 else number
        rows.append({"input_ids": [1 + label, *words], "labels": label, "length": length + 1})
    return Dataset.from_list(rows)


def collate(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    ids = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def accuracy(split, predictions, references):
    right = sum(p == r for p, r in zip(predictions, references, strict=True))
    return {"accuracy": right / len(references)}


@pytest.fixture
def make_data():
    """Returns a function (train=40, holdout=None, measure=accuracy) -> TaskData."""

    def build(train=40, holdout=None, measure=accuracy):
        return TaskData(
            train=make_rows(train, seed=0),
            evaluation={"validation": make_rows(17, seed=1)},
            reported="validation",
            row_ids={"validation": range(17), "holdout": range(holdout or 0)},
            holdout=None if holdout is None else make_rows(holdout, seed=2),
            num_labels=2,
            label_names=["one", "two"],
            metric=Metric("accuracy"),
            collate=collate,
            measure=measure,
            samples={"train": train, "eval": 17},
            provenance={"source": "made up"},
        )

    return build


@pytest.fixture
def make_settings():
    """Returns a function (method="full_ft", **values) -> TrainSettings with rates for that method's roles."""

    def build(method="full_ft", **values):
        rates = values.pop("lr", RATES[method])
        return TrainSettings(
            **{"epochs": 3, "batch_size": 8, "lr": rates, "roles": tuple(rates), "device": "cpu"} | values
        )

    return build


@pytest.fixture
def make_trainer(make_data, make_settings):
    """Returns a function (method="full_ft", data=None, dropout=0.0, seed=0, dtype=float32, **settings) -> Trainer."""

    def build(method="full_ft", data=None, dropout=0.0, seed=0, dtype=torch.float32, **values):
        torch.manual_seed(7)
        settings = make_settings(method, **values)
        adapted = attach(
            Toy(dropout).to(dtype), method, targets=["query"], head=["classifier"], seed=seed, **OPTIONS[method]
        )
        return Trainer(adapted, data or make_data(), settings, seed, make_accelerator(settings))

    return build


@pytest.fixture
def make_run(tmp_path):
    """Returns a function (name, method="full_ft") -> (RunDirectory that is claimed, RunRecord)."""

    def build(name, method="full_ft"):
        run = RunDirectory(tmp_path / name)
        run.claim("0" * 16, "seed: 0\n")
        words = dict.fromkeys(("task", "backbone", "profile", "protocol", "selection"), "toy")
        metric = {"name": "accuracy", "higher_is_better": True}
        record = RunRecord(method=method, seed=0, identity="0" * 16, metric=metric, **words)
        parts = {"trainable": 1, "head": 1, "total": 1, "pct_of_backbone": 1.0}
        record.params, record.samples, record.data = parts, {"train": 40, "eval": 17}, {"source": "made up"}
        record.time = {"init_s": 0.0}
        record.environment = {"packages": {}, "device": "cpu", "commit": None, "dirty": None}
        return run, record

    return build


class Silent:
    """Stands for a progress display or a tracker."""

    def step(self, loss=None):
        pass

    def log(self, line):
        pass


@pytest.fixture
def silent():
    return Silent()
