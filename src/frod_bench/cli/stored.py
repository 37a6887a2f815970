"""The configuration and the adapter of a run that is on disk."""

from pathlib import Path
from typing import Any

import yaml

from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory


def stored_config(run: Path) -> dict[str, Any]:
    """Return the configuration of a run. Raises RequestError without one, and where a file of the run was edited."""
    directory = RunDirectory(run)
    if directory.record.is_file():
        directory.verify(directory.read_record(), adapter=True)
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        config["backbone"]["_target_"]
    except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise RequestError(f"{run} is no run's directory: its config.yaml cannot be read ({error}).") from error
    return config


def stored_adapter(run: Path) -> Path:
    """Return the folder of a run's adapter. Raises RequestError when there is none."""
    adapter = run / "adapter"
    if not (adapter / "adapter_config.json").is_file():
        record = RunDirectory(run).record
        if record.is_file() and RunDirectory(run).read_record().status != "completed":
            raise RequestError(f"{run} is not complete and has no adapter yet: the command that began it goes on.")
        raise RequestError(f"{run} holds no adapter/: run it again with force=true, it may have been cleared away.")
    return adapter
