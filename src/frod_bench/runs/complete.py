"""Decide whether a run is already complete and can be skipped: the only place that does. Needs no torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from frod_bench.config.catalogue import settings
from frod_bench.console import say
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, RunRecord, output_root
from frod_bench.record.archive import SUFFIX, archived_runs
from frod_bench.record.identity import full_name, named_settings


def completed_record(directory: Path, identity: str) -> RunRecord | None:
    """Return the record of the run with this identity if it is complete and undamaged, else None."""
    record = ended_record(directory, identity)
    return record if record is not None and record.status == "completed" else None


def ended_record(directory: Path, identity: str) -> RunRecord | None:
    """Return the record of the run with this identity if it is complete and undamaged, or has diverged, else None."""
    run = RunDirectory(directory)
    if not run.record.exists():
        return _archived(output_root()).get(identity)
    try:
        record = run.read_record()
        run.verify(record, adapter=True)
    except RequestError:  # the run, when made again, says what is damaged
        return None
    return record if _has_ended(record) and record.identity == identity else None


@cache
def _archived(root: Path) -> dict[str, RunRecord]:
    """Return the runs in the archives below a folder that have ended, by identity; read once per process."""
    archives = root.rglob(f"*{SUFFIX}") if root.is_dir() else ()
    found = [record for archive in archives for _, record in archived_runs(archive)]
    return {r.identity: r for r in found if isinstance(r, RunRecord) and _has_ended(r)}


def _has_ended(record: RunRecord) -> bool:
    return record.status == "completed" or record.diverged


def label(config: Mapping[str, Any]) -> str:
    """Return the name of a run in messages; options that make its method a variant of ours are part of it."""
    method = method_label(config["method"]["name"], settings(config))
    return f"{method} on {config['task']['name']}, {config['backbone']['name']}, seed {config['seed']}"


def method_label(name: str, settings: Mapping[str, Any]) -> str:
    """Return the name of a method with the options that make it a variant of ours: "frod, side=short"."""
    named = (f"{key.rpartition('.')[2]}={value}" for key, value in named_settings(settings).items())
    return ", ".join([full_name(name, settings), *named])


def say_complete(config: Mapping[str, Any], directory: Path) -> None:
    """Print that a run is complete and therefore skipped."""
    say(f"{label(config)}: complete already in {directory} (run it again with force=true)")
