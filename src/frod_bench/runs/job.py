"""One run from a resolved configuration: build its components, claim its directory, train, write the record."""

import contextlib
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from frod_bench.config.catalogue import identity, settings
from frod_bench.config.earlier import START, to_make_first
from frod_bench.console import say
from frod_bench.errors import Interrupted, OutOfMemory, RequestError, RunFailure
from frod_bench.files import save_text
from frod_bench.methods.support.adapted import Adapted
from frod_bench.module_names import in_matching_module
from frod_bench.record import RunDirectory, RunRecord, default_directory, environment, redact
from frod_bench.record.places import COMMAND
from frod_bench.runs.base_model import base_model
from frod_bench.runs.carry_on import carry_on
from frod_bench.runs.complete import label, say_complete
from frod_bench.runs.components import Components, load_data, make_components
from frod_bench.runs.own_model import say_parts, with_parts
from frod_bench.runs.progress_bars import hide_progress_bars_in_logs
from frod_bench.runs.row_counts import found_in_rows, row_counts
from frod_bench.runs.run_readme import run_readme
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.checkpoint import delete_checkpoints
from frod_bench.train.device import device_name, total_memory
from frod_bench.train.fit import fit
from frod_bench.train.machine import threads_of
from frod_bench.train.memory import reset_peak
from frod_bench.train.out_of_memory import is_out_of_memory
from frod_bench.train.tracker import Tracker, require_tracker, tracker_of
from frod_bench.train.trainer import Trainer

Advise = Callable[[dict[str, Any], int], str]


def run_job(config: dict[str, Any], advise: Advise | None = None) -> float:
    """Run a configuration, or skip it if it is complete; return its score for a search.

    A run that it starts from, if the configuration holds one, is made before it.

    When memory runs out, `advise` gets the configuration and the device's memory in bytes, and returns a sentence on
    what would fit. Raises RequestError for a configuration that cannot be run, and RunFailure when the run fails.
    """
    require_tracker(config)
    components = make_components(config)
    config = with_parts(config, components.backbone)
    if (first := to_make_first(config)) is not None:
        run_job(first, advise)
    accelerator = make_accelerator(components.settings)
    run = RunDirectory(config["out"] or default_directory(config, identity(config)))
    try:
        state = _claim(run, config, accelerator)
        with run.log.listening() if accelerator.is_main_process else contextlib.nullcontext():
            return _run_claimed(config, components, accelerator, run, state, advise)
    finally:
        run.release()
        with contextlib.suppress(OSError):  # usually not empty
            run.path.rmdir()


def _run_claimed(
    config: dict[str, Any],
    components: Components,
    accelerator: Accelerator,
    run: RunDirectory,
    state: str,
    advise: Advise | None,
) -> float:
    main = accelerator.is_main_process
    if state == "completed":
        if main:
            say_complete(config, run.path)
            delete_checkpoints(run.checkpoints)  # left when the run ended just before deleting them
        return run.read_record().objective
    if main:
        run.log.line(f"$ {os.environ.get(COMMAND, 'from Python')}")
        say(f"{label(config)} -> {run.path}")
        say_parts(config, components.backbone)
    record = _new_record(config)
    segments = _earlier_segments(run, accelerator) if state == "resume" else []
    record.environment = {"segments": segments}
    try:
        with threads_of(segments, accelerator):
            _run(config, components, accelerator, run, record, resume=state == "resume")
    except RequestError:
        if main and not run.record.exists():
            run.config.unlink(missing_ok=True)  # so that a corrected request can use the directory
        raise
    except (Interrupted, KeyboardInterrupt) as stop:
        if main:
            run.log.line(f"stopped by {stop}" if isinstance(stop, Interrupted) else "stopped by Ctrl-C")
            _write_end(run, record, "interrupted", None)
        raise
    except Exception as error:
        failure = _failure(error, run)
        if (
            main
            and advise is not None
            and isinstance(failure, OutOfMemory)
            and failure.key == "gradient_accumulation_steps"
        ):
            with contextlib.suppress(Exception):  # failing advice must not hide the error
                failure = RunFailure(f"{failure} {advise(config, total_memory(accelerator.device))}")
        if main:
            run.log.line(str(failure) if isinstance(error, RunFailure) else traceback.format_exc())
            _write_end(run, record, "failed", redact(str(failure)))
        raise failure from error
    return record.objective


def _write_end(run: RunDirectory, record: RunRecord, status: str, error: str | None) -> None:
    """Write why the run has ended, into a directory that is still its own and holds no complete run."""
    record.status, record.error = status, error
    with contextlib.suppress(OSError, RunFailure):  # disk full or directory gone: the first error counts
        run.require_owned()
        if not run.is_completed():  # it is if this error came later, or before a forced run began
            run.write_record(record)
        run.log.start()


def _as_yaml(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _claim(run: RunDirectory, config: dict[str, Any], accelerator: Accelerator) -> str:
    """Claim the directory on the main process; every process returns the state or raises the error."""
    outcome: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            outcome = [run.claim(identity(config), _as_yaml(config), config["force"])]
        except RequestError as error:
            outcome = [error]
    if isinstance(state := broadcast_object_list(outcome)[0], RequestError):
        raise state
    return state


def _earlier_segments(run: RunDirectory, accelerator: Accelerator) -> list[dict[str, Any]]:
    """Return the segments in the record of a run (see `train.machine`); [] if the record has none."""
    found: list[Any] = [[]]
    if accelerator.is_main_process:
        with contextlib.suppress(RequestError):
            stored = run.read_record().environment.get("segments") or []
            found = [[segment for segment in stored if isinstance(segment, dict)]]
    return broadcast_object_list(found)[0]


def _run(
    config: dict[str, Any],
    components: Components,
    accelerator: Accelerator,
    run: RunDirectory,
    record: RunRecord,
    resume: bool,
) -> None:
    """Build the data and the model, train, and print the result and its directory."""
    reset_peak()
    start = time.perf_counter()
    hide_progress_bars_in_logs()
    seed, backbone = config["seed"], components.backbone
    data = load_data(config, components)
    if accelerator.is_main_process:
        for line in (row_counts(data.samples, config), *found_in_rows(data.provenance)):
            say(line)
    model = base_model(backbone, components.task, data.num_labels, config["text"]["format"], seed)
    head = [] if data.num_labels is None else backbone.head
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    body = sum(size for name, size in sizes.items() if not in_matching_module(name, head))
    model.to(accelerator.device)
    adapted = components.method.attach(model, backbone.targets, head, seed)
    if config.get(START) is not None:  # older runs, which are read again, have no such key
        carry_on(adapted, Path(config[START]))
    record.metric = {"name": data.metric.name, "higher_is_better": data.metric.higher_is_better}
    record.params = _count_parameters(adapted, sum(sizes.values()), body)
    record.samples, record.data = data.samples, data.provenance
    record.initialisation = {"backbone": backbone.provenance(), **adapted.facts}
    record.environment |= environment(device_name(accelerator.device))
    trainer = Trainer(adapted, data, components.settings, seed, accelerator)
    record.time = {"init_s": time.perf_counter() - start}
    if accelerator.is_main_process and not resume:
        run.begin(identity(config), _as_yaml(config))
    wandb = config["wandb"]
    watching = tracker_of(config) if accelerator.is_main_process else None
    name = f"{record.method} {record.task} seed{seed}"
    tracker = Tracker(watching, wandb["mode"], wandb["project"], name, config, run.path)
    if accelerator.is_main_process:
        run.write_record(record)
    try:
        fit(trainer, run, record, tracker, resume, config["checkpoint"]["every_s"])
    finally:
        tracker.close()
    if accelerator.is_main_process and record.best is not None and record.final is not None:
        name = record.metric["name"]
        say(
            f"{name}: best {record.best['value']:.4f} (epoch {record.best['epoch']}), final"
            f" {record.final['value']:.4f}; {_parameter_summary(record.params)} -> {run.path}",
        )
    if accelerator.is_main_process:
        with contextlib.suppress(OSError):  # the run is complete without it
            save_text(run.readme, run_readme(config, record, run.path))


def _new_record(config: dict[str, Any]) -> RunRecord:
    return RunRecord(
        method=config["method"]["name"],
        task=config["task"]["name"],
        backbone=config["backbone"]["name"],
        profile=config["profile"]["name"],
        protocol=config["protocol"],
        selection=config["selection"],
        seed=config["seed"],
        identity=identity(config),
        settings=settings(config),
        metric={"name": config["task"]["metrics"][0], "higher_is_better": True},
    )


def _count_parameters(adapted: Adapted, total: int, body: int) -> dict[str, Any]:
    """Return parameter counts. `total` and `body` are those of the base model with and without its head.

    `trainable` includes the trainable parameters of the head, `head`; `pct_of_backbone` leaves the head out of both
    numbers.
    """
    counts = adapted.count()
    trainable, head = sum(counts.values()), counts.get("head", 0)
    share = 100 * (trainable - head) / body
    return {"trainable": trainable, "head": head, "total": total, "pct_of_backbone": share, "by_role": counts}


def _parameter_summary(params: dict[str, Any]) -> str:
    """Return the counts in words."""
    head = f" and the head's {params['head']:,}" if params["head"] else ""
    own = params["trainable"] - params["head"]
    return f"trainable: {own:,} ({params['pct_of_backbone']:.3g} % of the backbone){head}"


def _failure(error: Exception, run: RunDirectory) -> RunFailure:
    if isinstance(error, RunFailure):
        return error
    if is_out_of_memory(error):
        return RunFailure(
            "There was not enough memory. Use train.gradient_accumulation_steps=4, a smaller train.batch_size"
            " or train.eval_batch_size, or train.precision=bf16."
        )
    if isinstance(error, OSError) and error.filename and Path(error.filename).is_relative_to(run.path):
        return RunFailure(
            f"{error.filename} cannot be written ({error.strerror}). Fix that; the same command then resumes from the"
            " last checkpoint, or starts again if there is none."
        )
    return RunFailure(f"{type(error).__name__}: {error} (see log.txt in the run's directory)")
