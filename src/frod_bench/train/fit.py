"""A whole run: train and evaluate every epoch, write metrics and checkpoints, resume after an interruption."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from accelerate.utils import set_seed

from frod_bench.console import say
from frod_bench.errors import RequestError, RunFailure
from frod_bench.record.epoch import EpochMetrics
from frod_bench.record.identity import weights_of
from frod_bench.record.predictions import digest_of, write_predictions
from frod_bench.record.renamed_keys import with_current_keys
from frod_bench.record.schema import RunRecord
from frod_bench.record.store import RunDirectory
from frod_bench.train.checkpoint import delete_checkpoints, load_checkpoint
from frod_bench.train.checkpointer import Checkpointer, RunState
from frod_bench.train.epoch_totals import EpochTotals
from frod_bench.train.interrupt import StopRequest
from frod_bench.train.machine import differences, machine, with_segment
from frod_bench.train.memory import peak_memory
from frod_bench.train.progress import Progress
from frod_bench.train.tracker import Tracker
from frod_bench.train.trainer import HOLDOUT, Trainer

_OTHER_BITS = "its last bits may differ from those of an uninterrupted run."


def fit(
    trainer: Trainer,
    run: RunDirectory,
    record: RunRecord,
    tracker: Tracker,
    resume: bool = False,
    checkpoint_every_s: float | None = None,
) -> RunRecord:
    """Train to the last epoch and return the completed record.

    After each epoch, writes a line of metrics, the record and a checkpoint, and the adapter if the epoch is selected:
    the best on the evaluation split (the released code's rule), the last one, or the best on the hold-out. Also writes
    a checkpoint every `checkpoint_every_s` seconds. With `evaluation=once`, the evaluation rows are scored at the end,
    with the selected epoch's values. Raises Interrupted, after a checkpoint, on SIGTERM or SIGINT, and
    RequestError when the checkpoint is of other rows or base weights.
    """
    set_seed(trainer.seed, device_specific=True)  # processes must not drop the same units out
    settings, main = trainer.settings, trainer.accelerator.is_main_process
    done = RunState(
        **(load_checkpoint(run.checkpoints, trainer, partial(_adapter_problem, run)) if resume else None) or {}
    )
    trainer.batches |= with_current_keys(done.batches, "train.")
    done.origin = _same_origin(done.origin, record, run)
    steps_done = done.epochs * trainer.steps_per_epoch + done.trained.get("steps", 0)
    here = machine(trainer.accelerator)
    other = differences(done.segments, here)
    record.environment["segments"] = done.segments = with_segment(done.segments, here, done.epochs + 1, steps_done + 1)
    if main:
        run.write_metrics(done.lines)
        run.write_losses(done.losses)
        run.write_record(record)
        if steps_done:
            say(_going_on(done, settings.epochs))
        if other:
            say(f"The run resumes on other hardware or software ({'; '.join(other)}): {_OTHER_BITS}")
    if done.at_selected:
        _save_adapter(trainer, run, done)  # the run may have ended between the checkpoint and this
    progress = Progress(trainer.total_steps, f"{record.method} {record.task}", steps_done, quiet=not main)
    with StopRequest() as stop:
        checkpointer = Checkpointer(trainer, run, done, stop, checkpoint_every_s)
        try:
            for epoch in range(done.epochs, settings.epochs):
                trained = trainer.train_epoch(
                    epoch, progress, EpochTotals(**done.trained), lambda state: checkpointer.pause("trained", state)
                )
                done.trained = asdict(trained)
                metrics = _evaluate(trainer, done, checkpointer, trainer.every_epoch)
                done.train_s += trained.seconds
                done.waited_s += trained.waited_s
                done.epochs, done.trained = epoch + 1, {}
                done.kept[done.epochs], done.predicted = done.predicted, {}
                epoch_metrics = _epoch_metrics(trainer, trained, metrics, done.epochs)
                line = epoch_metrics.as_line()
                done.lines.append(line)
                done.losses.append(trained.losses)
                selected = _select(trainer, record, done, metrics)
                for unneeded in done.kept.keys() - {done.selected_epoch, done.epochs, (done.best or {}).get("epoch")}:
                    del done.kept[unneeded]
                if main:
                    _write_results(trainer, run, record, done)
                    tracker.log(line)
                checkpointer.save()
                if selected:
                    _save_adapter(trainer, run, done)
                trainer.accelerator.wait_for_everyone()
                words = trainer.adapted.method.epoch_words(epoch_metrics.method)
                progress.say(epoch_metrics.in_words(record.metric["name"], settings.epochs, words))
            if settings.evaluation == "once":
                _evaluate_selected(trainer, run, record, done, checkpointer)
        finally:
            progress.close()
    record.status = "completed"
    _update(record, trainer, done)
    if main:
        record.predictions = {}
        if record.selected is not None:
            epoch = record.selected["epoch"]
            splits = _reported_first(done.kept[epoch], trainer)
            record.predictions = {split: digest_of(run.read_predictions(epoch, split)) for split in splits}
        record.files = run.digests()
        if done.adapter.items() - record.files.items():
            raise RunFailure(f"{_adapter_changed(done)}. The same command resumes from before that.")
        run.write_record(record)
        delete_checkpoints(run.checkpoints)
    return record


def _evaluate(
    trainer: Trainer, done: RunState, checkpointer: Checkpointer, splits: Mapping[str, Any]
) -> dict[str, float]:
    """Score the splits, adding their predictions to `done` and the seconds, also when it stops in between."""
    clock = time.perf_counter()

    def between(state: Callable[[], Any]) -> None:
        nonlocal clock
        done.eval_s, clock = done.eval_s + time.perf_counter() - clock, time.perf_counter()
        checkpointer.pause("predicted", state)

    metrics = trainer.evaluate(done.predicted, between, splits)
    done.eval_s += time.perf_counter() - clock
    return metrics


def _evaluate_selected(
    trainer: Trainer, run: RunDirectory, record: RunRecord, done: RunState, checkpointer: Checkpointer
) -> None:
    """Score the evaluation rows once, with the values of the selected epoch."""
    if not done.at_selected:
        trainer.adapted.load(run.adapter)
    scores = _evaluate(trainer, done, checkpointer, trainer.data.evaluation)
    line = done.lines[done.selected_epoch - 1]
    line["eval"] = scores | line["eval"]
    done.kept[done.selected_epoch] = done.predicted | done.kept[done.selected_epoch]
    done.best = done.final = {
        "value": scores[record.metric["name"]],
        "epoch": done.selected_epoch,
        "metrics": line["eval"],
    }
    if trainer.accelerator.is_main_process:
        _write_results(trainer, run, record, done)
        say(f"{record.metric['name']} {scores[record.metric['name']]:.4f} at the selected epoch {done.selected_epoch}")


def _write_results(trainer: Trainer, run: RunDirectory, record: RunRecord, done: RunState) -> None:
    """Write what the epochs so far have given: metrics, losses, predictions and the record."""
    run.require_owned()
    run.write_metrics(done.lines)
    run.write_losses(done.losses)
    ids = trainer.data.row_ids
    write_predictions(
        run.predictions,
        {
            epoch: {split: [(ids[split][row], *rest) for row, *rest in rows] for split, rows in splits.items()}
            for epoch, splits in done.kept.items()
        },
    )
    _update(record, trainer, done)
    run.write_record(record)


def _save_adapter(trainer: Trainer, run: RunDirectory, done: RunState) -> None:
    main = trainer.accelerator.is_main_process
    trainer.adapted.save(run.adapter, write=main)
    done.adapter = run.adapter_digests() if main else {}


def _adapter_problem(run: RunDirectory, progress: dict[str, Any]) -> str | None:
    """Return what is wrong with the selected epoch's adapter, or None if it is intact or in the checkpoint itself."""
    done = RunState(**progress)
    intact = done.selected_epoch == 0 or done.at_selected or run.adapter_digests() == done.adapter
    return None if intact else _adapter_changed(done)


def _adapter_changed(done: RunState) -> str:
    return f"The adapter of epoch {done.selected_epoch} was removed or changed"


def _same_origin(begun: dict[str, Any], record: RunRecord, run: RunDirectory) -> dict[str, Any]:
    """Return the rows and weights of the run. Raises RequestError when they differ from those it began with."""
    parts = {"rows": [record.data, record.samples], "base weights": record.initialisation.get("backbone")}
    for what, own in parts.items():
        one, other = (weights_of(part) if isinstance(part, dict) else part for part in (begun.get(what, own), own))
        if one != other:
            raise RequestError(
                f"The run started with other {what} ({begun[what]}) than it has now ({own}). Restore those, or"
                f" delete the folder {run.checkpoints}, and the same command starts again."
            )
    return parts


def _going_on(done: RunState, epochs: int) -> str:
    after = f"going on after epoch {done.epochs} of {epochs}"
    return after + (f" and {done.trained['steps']} steps of the next" if done.trained else "")


def _select(trainer: Trainer, record: RunRecord, done: RunState, metrics: dict[str, float]) -> bool:
    """Update the best and the last score with this epoch; return whether the epoch is selected."""
    name, higher = record.metric["name"], record.metric["higher_is_better"]
    selection = trainer.settings.selection
    deciding = f"{HOLDOUT}_{name}" if selection == "holdout" else name
    if deciding not in metrics:  # the last epoch is selected, and scored at the end
        done.selected_epoch = done.epochs
        return True
    judged = metrics[deciding]
    score = {"value": metrics.get(name, judged), "epoch": done.epochs, "metrics": metrics}
    done.final = score
    better = done.selected is None or (judged > done.selected if higher else judged < done.selected)
    if better:
        done.selected = judged
        done.best = score
    if better or selection == "last":
        done.selected_epoch = done.epochs
    return done.selected_epoch == done.epochs


def _epoch_metrics(trainer: Trainer, trained: EpochTotals, scores: dict[str, float], epoch: int) -> EpochMetrics:
    clock = time.perf_counter()
    columns = trainer.adapted.epoch_columns(trained.lr)
    return EpochMetrics(
        epoch=epoch,
        step=epoch * trainer.steps_per_epoch,
        train_loss=trained.loss,
        eval=scores,
        lr=trained.lr,
        seconds=trained.seconds,
        diagnostics_s=time.perf_counter() - clock,
        data_wait=trained.waited_s / trained.seconds,
        samples_per_second=trained.samples / trained.seconds,
        flops=trained.flops,
        peak_memory_bytes=peak_memory(trainer.accelerator.device)[0],
        method=columns,
    )


def _reported_first(splits: Iterable[str], trainer: Trainer) -> list[str]:
    return sorted(splits, key=lambda split: split != trainer.data.reported)


def _update(record: RunRecord, trainer: Trainer, done: RunState) -> None:
    peak, kind = peak_memory(trainer.accelerator.device)
    record.best, record.final = done.best, done.final
    data_wait = done.waited_s / done.train_s if done.train_s else 0.0
    record.time |= {"train_s": done.train_s, "eval_s": done.eval_s, "data_wait": data_wait}
    cut = {key: value for key, value in trainer.batches.items() if value != getattr(trainer.settings, key)}
    record.memory = {"peak_bytes": peak, "kind": kind} | cut
