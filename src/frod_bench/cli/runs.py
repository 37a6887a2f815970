"""The stored runs below the folders that a command is given."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.escape import one_line
from frod_bench.record import StoredRun, find_records, output_root

if TYPE_CHECKING:
    from frod_bench.report.summary import Summary


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add the FOLDER arguments of the commands about stored runs; the default is the folder that runs go to."""
    help = f"a run's directory or any folder above (default: {output_root()})"
    parser.add_argument("folders", nargs="*", type=Path, default=[output_root()], metavar="FOLDER", help=help)


def existing_folder(folder: Path) -> Path:
    """Return the folder. Raises RequestError if it does not exist."""
    if not folder.is_dir():
        raise RequestError(
            f"There is no folder {folder}. Give a folder that holds runs, or make a run first:"
            " frod-bench method=frod task=glue/sst2 profile=offline"
        )
    return folder


def read_runs(folders: list[Path]) -> tuple[list[StoredRun], list[str]]:
    """Return the runs below the folders, each once, and why others cannot be read.

    Raises RequestError if there is no run.
    """
    runs: dict[Path, StoredRun] = {}
    broken: dict[Path, str] = {}
    for folder in folders:
        found = find_records(existing_folder(folder))
        runs |= {run.path.resolve(): run for run in found.runs}
        broken |= {path.resolve(): reason for path, reason in found.broken}
    if not runs:
        reasons = " ".join(broken.values()) or "A run's directory has a record.json."
        raise RequestError(f"No run to show below {', '.join(map(str, folders))}. {reasons}")
    return list(runs.values()), list(broken.values())


def read_summary(folders: list[Path]) -> "Summary":
    """Return the runs below the folders by setting, and print a warning for each one that is left out."""
    from frod_bench.report.summary import summarise

    runs, broken = read_runs(folders)
    summary = summarise(runs)
    for warning in [*broken, *summary.warnings]:
        show(f"warning: {one_line(warning)}", file=sys.stderr)
    return summary
