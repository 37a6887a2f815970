"""Evidence built for the tests: editable copies of the paper's tables, small weights, records and clones."""

import csv
import shutil
import subprocess
from types import MappingProxyType

import numpy as np
import pytest
import torch
import yaml

from frod_bench.audit import bases, release
from frod_bench.audit.evidence import Evidence
from frod_bench.config.paths import config_dir, paper_dir
from frod_bench.record import RunDirectory, RunRecord, identity_of
from frod_bench.record.identity import flat_items
from frod_bench.record.predictions import Predicted, RowPredictions, digest_of, write_predictions

WIDTH = 24


def random_weights(backbone):
    """Four layers of a square and of a wide category."""
    generator = torch.Generator().manual_seed(1)
    return {
        f"model.layers.{i}.{name}": torch.randn(shape, generator=generator)
        for i in range(4)
        for name, shape in {"attn.q": (WIDTH, WIDTH), "mlp.up": (2 * WIDTH, WIDTH)}.items()
    }


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    """Evidence with a copy of the paper's tables, no runs and no code."""
    monkeypatch.setattr(bases, "RANDOM_WIDTH", 16)
    shutil.copytree(paper_dir(), tmp_path / "paper")
    for folder in ("runs", "bench", "code"):
        (tmp_path / folder).mkdir()
    return Evidence(
        paper=tmp_path / "paper",
        configs=config_dir(),
        runs=[tmp_path / "runs"],
        bench=tmp_path / "bench",
        weights=random_weights,
        code=tmp_path / "code",
        run_code=True,
    )


@pytest.fixture
def edit(evidence):
    """Returns a function that changes cells of one row of a table: (file, the row's name, {column: value})."""

    def change(name, row, values):
        file = evidence.paper / f"{name}.csv"
        with file.open(newline="", encoding="utf-8") as text:
            lines = list(csv.DictReader(text))
        for line in lines:
            if line["row"] == row and line["column"] in values:
                line["value"] = values[line["column"]]
        with file.open("w", newline="", encoding="utf-8") as text:
            writer = csv.DictWriter(text, lines[0])
            writer.writeheader()
            writer.writerows(lines)

    return change


@pytest.fixture
def clone(evidence, monkeypatch):
    """Returns a function that makes and registers a clone of a release: (its name, {commit: {path: text}})."""

    def make(name, **commits):
        folder = evidence.code / name
        git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x"]
        folder.mkdir()
        hashes = {}
        subprocess.run([*git, "init", "-q"], check=True)
        for commit, files in commits.items():
            for path, text in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(text if isinstance(text, bytes) else text.encode())
            subprocess.run([*git, "add", "-A"], check=True)
            subprocess.run([*git, "commit", "-qm", "x"], check=True)
            hashes[commit] = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        known = {commit: done.stdout.strip() for commit, done in hashes.items()}
        url = release.RELEASES[name].url
        monkeypatch.setitem(release.RELEASES, name, release.PinnedRelease(url, MappingProxyType(known)))

    return make


@pytest.fixture
def store(evidence):
    """Returns a function that writes a run: (method, accuracies by epoch, its config.yaml, keys of its last line)."""
    count = iter(range(10**6))

    def write(method, accuracies, config="method: {}", **last):
        number = next(count)
        directory = RunDirectory(evidence.runs[0] / str(number))
        directory.claim(f"hash{number}", config)
        best = max(range(len(accuracies)), key=accuracies.__getitem__)
        score = [{"value": accuracies[e], "epoch": e + 1, "metrics": {}} for e in (best, -1)]
        score[1]["epoch"] = len(accuracies)
        record = RunRecord(
            method=method, task=last.pop("task", "glue/sst2"), backbone="minilm", profile="offline",
            protocol="released", selection="best_on_eval", seed=last.pop("seed", 0), identity=f"hash{number}",
            metric={"name": "accuracy", "higher_is_better": True}, status="completed",
            settings={key: value for key, value in flat_items(yaml.safe_load(config)) if value is not None},
            best=score[0], final=score[1], params=dict.fromkeys(("trainable", "head", "total", "pct_of_backbone"), 1),
            samples={"train": 10, "eval": 10}, time=dict.fromkeys(("init_s", "train_s", "eval_s"), 1.0),
            memory={"peak_bytes": 1, "kind": "process"},
            environment={"packages": {}, "device": "cpu", "commit": "x", "dirty": False},
            data={"source": "generated"}, initialisation={},
        )  # fmt: skip
        directory.write_record(record)
        lines = [{"epoch": epoch, "eval": {"accuracy": accuracy}} for epoch, accuracy in enumerate(accuracies, 1)]
        directory.write_metrics([*lines[:-1], lines[-1] | last])

    return write


@pytest.fixture
def check(evidence):
    """Returns a function that checks a claim by name and returns its finding."""
    from frod_bench.audit.claims import CLAIMS

    return lambda name: next(claim for claim in CLAIMS if claim.name == name).check(evidence)


@pytest.fixture
def tuned(evidence):
    """Returns a function that writes runs with tuned rates and predictions, one for each line of right answers.

    Its arguments: the method, right answers [seeds, rows], the task, scores on held-out rows by epoch.
    """

    def write(method, right, task="glue/sst2", held_out=(0.5, 0.6), **changes):
        for seed, line in enumerate(np.asarray(right, dtype=bool)):
            settings = {"method.name": method, "task.name": task, "protocol": "fair", "seed": seed, **changes}
            settings |= {"method.sparsity": 0.02} if method == "frod" else {}
            labels = np.arange(len(line)) % 2
            rows = RowPredictions(np.arange(len(line)), labels, np.where(line, labels, 1 - labels))
            score = {"value": float(line.mean()), "epoch": 2, "metrics": {}}
            record = RunRecord(
                method=method, task=task, backbone="minilm", profile="offline", protocol="fair", selection="holdout",
                seed=seed, identity=identity_of(settings), metric={"name": "accuracy", "higher_is_better": True},
                settings=settings, status="completed", best=score, final=score,
                params=dict.fromkeys(("trainable", "head", "total", "pct_of_backbone"), 1),
                samples={"train": changes.get("data.max_train", 10), "eval": len(line), "holdout": 400},
                time=dict.fromkeys(("init_s", "train_s", "eval_s"), 1.0), memory={"peak_bytes": 1, "kind": "process"},
                environment={"packages": {}, "device": "cpu", "commit": "x", "dirty": False},
                data={"source": "generated"}, predictions={"validation": digest_of(rows)},
            )  # fmt: skip
            directory = RunDirectory(evidence.runs[0] / record.identity)
            directory.claim(record.identity, "")
            directory.write_record(record)
            lines = [{"epoch": e, "eval": {"holdout_accuracy": value}} for e, value in enumerate(held_out, 1)]
            directory.write_metrics([*lines[:-1], lines[-1] | {"eval": lines[-1]["eval"] | {"accuracy": 0.0}}])
            predicted = [Predicted(*map(int, each)) for each in np.stack(rows, axis=1)]
            write_predictions(directory.predictions, {2: {"validation": predicted}})

    return write
