from statistics import fmean

import numpy as np
import pytest

from frod_bench.errors import Diverged
from frod_bench.record import RunDirectory, RunRecord, StoredRun, identity_of
from frod_bench.record.predictions import Predicted, RowPredictions, digest_of, write_predictions
from frod_bench.report.paired.scores import scores


@pytest.fixture
def store(tmp_path):
    """Return a function that writes a run of three epochs as the trainer would and returns it."""

    def write(
        method="frod",
        task="glue/rte",
        seed=0,
        best=0.62,
        final=0.61,
        sparsity=0.02,
        seconds=20.0,
        tan_alpha=0.1,
        layers=None,
        folder=None,
        others=None,
        flops=None,
        **changes,
    ):
        recipe = {"epochs": {"glue/rte": 3}.get(task, 2)}
        settings = {"method.name": method, "method.sparsity": sparsity, "seed": seed}
        settings |= {f"recipe.{key}": value for key, value in recipe.items()}
        path = tmp_path / (folder or f"{task}/{method}-{sparsity}-{len(list(tmp_path.rglob('record.json')))}")
        directory = RunDirectory(path)
        text = f"method: {{name: {method}, sparsity: {sparsity}}}\nrecipe: {recipe}\nseed: {seed}\nout: {path}\n"
        directory.claim(identity_of(settings), text)
        metrics = []
        for epoch, score in enumerate((0.55, best, final), start=1):
            angle = None if tan_alpha is None else {"mean": tan_alpha * epoch, "min": 0.0, "max": 1.0}
            angle = angle | {"per_layer": layers} if layers else angle
            counted = {} if flops is None else {"flops": flops}
            line = {
                "epoch": epoch,
                "step": 44 * epoch,
                "train_loss": 0.7 / epoch,
                "eval": {"accuracy": score},
                "tan_alpha": angle,
                "lr": {"head": 1e-3},
                "lr_ratio": None,
                "seconds": seconds,
                "samples_per_second": 35.0,
                "peak_memory_bytes": 500 * 2**20,
            }
            metrics.append(counted | line)
        directory.write_metrics(metrics)
        content = {
            "method": method,
            "task": task,
            "backbone": "minilm",
            "profile": "offline",
            "protocol": "released",
            "selection": "best_on_eval",
            "seed": seed,
            "identity": identity_of(settings),
            "settings": settings,
            "metric": {"name": "accuracy", "higher_is_better": True},
            "status": "completed",
            "best": {"value": best, "epoch": 2, "metrics": {"accuracy": best} | (others or {})},
            "final": {"value": final, "epoch": 3, "metrics": {"accuracy": final}},
            "params": {"trainable": 184_330, "head": 770, "total": 22_897_546, "pct_of_backbone": 0.81},
            "samples": {"train": 2490, "eval": 277},
            "time": {"init_s": 1.0, "train_s": 60.0, "eval_s": 3.0},
            "memory": {"peak_bytes": 500 * 2**20, "kind": "rss"},
            "environment": {"packages": {}, "device": "cpu", "commit": None, "dirty": None},
            "data": {"source": "packaged", "fingerprint": "sha256:00"},
        }
        record = RunRecord(**content | changes)
        directory.write_record(record)
        return StoredRun(path, record, directory.read_metrics(), directory)

    return write


@pytest.fixture
def predicted(store):
    """Return a function that writes runs with predictions per row, a run for each line of right answers [runs, rows].

    Labels are 0 and 1 in turn unless given.
    """

    def write(method, right, task="glue/rte", seeds=None, labels=None, metric="accuracy", **changes):
        right = np.asarray(right, dtype=bool)
        labels = np.arange(right.shape[1]) % 2 if labels is None else np.asarray(labels)
        runs = []
        for seed, line in zip(range(len(right)) if seeds is None else seeds, right, strict=True):
            rows = RowPredictions(np.arange(len(line)), labels, np.where(line, labels, 1 - labels))
            best = float(scores(metric, labels, rows.predictions[None])[0])
            changes = {"metric": {"name": metric, "higher_is_better": True}} | changes
            digests = {"validation": digest_of(rows)}
            run = store(method, task, seed, best=best, predictions=digests, **changes)
            lines = [Predicted(*map(int, each)) for each in np.stack(rows, axis=1)]
            write_predictions(run.files.predictions, {2: {"validation": lines}})
            runs.append(run)
        return runs

    return write


@pytest.fixture
def searched(store):
    """Return a function that writes the trials of a method and its fair runs, and returns both.

    `scores` has the held-out scores at every multiplier of `rates`, one per trial seed, None where training diverged.
    The runs have the rates of the best one.
    """

    def write(method, scores, task="glue/rte", seeds=(0, 1), rows=100, rates=None, best=0.62, **changes):
        rates = rates or {"diag": 1e-3, "head": 1e-2}
        changes = {"samples": {"train": rows, "eval": 277, "holdout": 50}} | changes
        shared = {"method.name": method, "task.name": task, "protocol": "fair", "data.max_train": rows}

        def run(multiplier, seed, best, evaluation=None, **more):
            settings = {f"train.lr.{role}": float(f"{rate * multiplier:.4g}") for role, rate in rates.items()}
            settings |= shared | {"seed": seed} | ({"evaluation": evaluation} if evaluation else {})
            names = {"settings": settings, "identity": identity_of(settings)}
            names |= {"protocol": "fair", "selection": "holdout"}
            return store(method, task, seed, best=best, **names, **more, **changes)

        trials = []
        for multiplier, found in scores.items():
            for seed, score in enumerate(found, start=1000):
                how = {"others": {"holdout_accuracy": score}}
                if score is None:
                    how = {"status": "failed", "error": f"{Diverged.MARK}The loss became nan."}
                trials.append(run(multiplier, seed, score or 0.0, evaluation="never", **how))
        chosen = max((m for m, found in scores.items() if None not in found), key=lambda m: fmean(scores[m]))
        return [run(chosen, seed, best) for seed in seeds], trials

    return write
