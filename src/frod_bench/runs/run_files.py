"""Read the configuration and find the adapter of a run on disk."""

from pathlib import Path
from typing import Any

from frod_bench.errors import RequestError
from frod_bench.plain_yaml import read_mapping
from frod_bench.record import RunDirectory
from frod_bench.record.renamed_keys import with_current_keys


def read_run_config(run: Path) -> dict[str, Any]:
    """Return the configuration of a run. Raises RequestError if there is none or a file of the run was edited."""
    directory = RunDirectory(run)
    if directory.record.is_file():
        directory.verify(directory.read_record(), adapter=True)
    if not directory.config.exists():
        raise RequestError(f"{run} is not a run's directory: it has no config.yaml.")
    config = with_current_keys(read_mapping(directory.config))
    if not isinstance(config.get("backbone"), dict) or "_target_" not in config["backbone"]:
        raise RequestError(f"{run} is not a run's directory: its config.yaml names no backbone.")
    return config


def adapter_folder(run: Path) -> Path:
    """Return the folder of a run's adapter. Raises RequestError when there is none."""
    adapter = run / "adapter"
    if not (adapter / "adapter_config.json").is_file():
        record = RunDirectory(run).record
        if record.is_file() and RunDirectory(run).read_record().status != "completed":
            raise RequestError(
                f"{run} is not complete and has no adapter yet. Resume it with the command that started it."
            )
        raise RequestError(f"{run} holds no adapter/: run it again with force=true, it may have been cleared away.")
    return adapter


def incomplete_warning(run: Path) -> str | None:
    """Return a sentence on the adapter of an incomplete run; None for a complete one."""
    directory = RunDirectory(run)
    if not directory.record.is_file() or (record := directory.read_record()).status == "completed":
        return None
    epoch = f"of epoch {record.selected['epoch']}, " if record.selected else ""
    reason = f" ({record.error.splitlines()[0].rstrip('.')})" if record.error else ""
    return (
        f"{run} is not complete, its status is {record.status}{reason}: the adapter is {epoch}the selected one so far."
        " Resume the run with the command that started it, then export again."
    )
