"""A whole run: epochs, one evaluation each, what is written down, and going on after an interruption."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from accelerate.utils import set_seed

from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory
from frod_bench.train.checkpoint import delete_checkpoint, load_checkpoint, save_checkpoint
from frod_bench.train.memory import peak_memory
from frod_bench.train.progress import Progress
from frod_bench.train.tracker import Tracker
from frod_bench.train.trainer import TrainedEpoch, Trainer


@dataclass
class _Done:
    """How far a run has come; plain data, so that it travels in a checkpoint."""

    epochs: int = 0
    best: dict[str, Any] | None = None
    final: dict[str, Any] | None = None
    selected: float | None = None  # the value of the selecting metric at the selected epoch
    train_s: float = 0.0
    waited_s: float = 0.0  # of train_s
    eval_s: float = 0.0


def fit(trainer: Trainer, run: RunDirectory, record: RunRecord, tracker: Tracker, resume: bool = False) -> RunRecord:
    """Train to the last epoch and return the completed record.

    Writes a line of metrics, the record and a checkpoint each epoch, and the adapter of the selected epoch:
    the best on the evaluation split (the released code's rule), the last one, or the best on the hold-out.
    """
    set_seed(trainer.seed, device_specific=True)  # processes must not drop the same units out
    settings, main = trainer.settings, trainer.accelerator.is_main_process
    saved = load_checkpoint(run.checkpoints, trainer) if resume else None
    done = _Done(**saved) if saved else _Done()
    if main:
        run.keep_metrics(done.epochs)
    if done.epochs and main:
        print(f"going on after epoch {done.epochs} of {settings.epochs}", flush=True)
    steps_done = done.epochs * trainer.steps_per_epoch
    progress = Progress(trainer.total_steps, f"{record.method} {record.task}", steps_done, quiet=not main)
    try:
        for epoch in range(done.epochs, settings.epochs):
            trained = trainer.train_epoch(epoch, progress)
            start = time.perf_counter()
            metrics = trainer.evaluate()
            done.eval_s += time.perf_counter() - start
            done.train_s += trained.seconds
            done.waited_s += trained.waited_s
            done.epochs = epoch + 1
            line = _line(trainer, trained, metrics, done.epochs)
            _select(trainer, run, record, done, metrics)
            if main:
                run.append_metrics(line)
                run.append_losses(done.epochs, trained.losses)
                _update(record, trainer, done)
                run.write_record(record)
                tracker.log(line)
                if done.epochs < settings.epochs:
                    save_checkpoint(run.checkpoints, trainer, asdict(done))
            progress.say(describe(line, record.metric["name"], settings.epochs))
    finally:
        progress.close()
    record.status = "completed"
    _update(record, trainer, done)
    if main:
        run.write_record(record)
        delete_checkpoint(run.checkpoints)
    return record


def _select(trainer: Trainer, run: RunDirectory, record: RunRecord, done: _Done, metrics: dict[str, float]) -> None:
    """Keep the score of this epoch where it is the best or the last, and its adapter where it is selected."""
    name, higher = record.metric["name"], record.metric["higher_is_better"]
    score = {"value": metrics[name], "epoch": done.epochs, "metrics": metrics}
    done.final = score
    selection = trainer.settings.selection
    judged = metrics[f"holdout_{name}"] if selection == "holdout" else metrics[name]
    better = done.selected is None or (judged > done.selected if higher else judged < done.selected)
    if better:
        done.selected = judged
        done.best = score
    if better or selection == "last":
        if trainer.accelerator.is_main_process:
            trainer.adapted.save(run.adapter)
        trainer.accelerator.wait_for_everyone()


def _line(trainer: Trainer, trained: TrainedEpoch, metrics: dict[str, float], epochs: int) -> dict[str, Any]:
    diagnostics = trainer.adapted.diagnostics()
    lr = trained.lr
    return {
        "epoch": epochs,
        "step": epochs * trainer.steps_per_epoch,
        "train_loss": trained.loss,
        "eval": metrics,
        "tan_alpha": diagnostics.pop("tan_alpha", None),
        **diagnostics,
        "lr": lr,
        "lr_ratio": lr["sparse"] / lr["diag"] if lr.get("sparse") is not None and lr.get("diag") else None,
        "seconds": trained.seconds,
        "data_wait": trained.waited_s / trained.seconds,
        "samples_per_second": trained.samples / trained.seconds,
        "flops": trained.flops,
        "peak_memory_bytes": peak_memory(trainer.accelerator.device)[0],
    }


def _update(record: RunRecord, trainer: Trainer, done: _Done) -> None:
    peak, kind = peak_memory(trainer.accelerator.device)
    record.best, record.final = done.best, done.final
    data_wait = done.waited_s / done.train_s if done.train_s else 0.0
    record.time |= {"train_s": done.train_s, "eval_s": done.eval_s, "data_wait": data_wait}
    record.memory = {"peak_bytes": peak, "kind": kind}


def describe(line: dict[str, Any], metric: str, epochs: int) -> str:
    """Return the console line of an epoch."""
    scores = [f"{name} {value:.4f}" for name, value in line["eval"].items() if name != metric]
    parts = [
        f"epoch {line['epoch']}/{epochs}",
        f"loss {line['train_loss']:.4f}",
        f"{metric} {line['eval'][metric]:.4f}",
    ]
    parts += scores
    if (tan := line["tan_alpha"]) is not None:
        parts.append(f"tan alpha {tan['mean']:.3g} [{tan['min']:.3g}, {tan['max']:.3g}]")
    parts.append("lr " + " ".join(f"{role} {value:.2g}" for role, value in line["lr"].items()))
    parts.append(f"{line['samples_per_second']:.0f} samples/s")
    parts.append(f"{line['peak_memory_bytes'] / 2**20:.0f} MiB")
    parts.append(f"{line['seconds']:.1f} s")
    return "  ".join(parts)
