"""The stored runs below the folders that a command is given."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.escape import one_line
from frod_bench.record import FoundRuns, StoredRun, find_records, output_root

if TYPE_CHECKING:
    from frod_bench.report.summary import Summary

_REASONS_SHOWN = 3  # reasons why runs cannot be read
_WARNINGS_SHOWN = 20


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


def read_runs(folders: list[Path], trials_too: bool = False) -> FoundRuns:
    """Return the runs below the folders, each once, with the trials of searches and why others cannot be read.

    Raises RequestError if there is no run, or, with `trials_too`, neither a run nor a trial.
    """
    runs: dict[Path, StoredRun] = {}
    trials: dict[Path, StoredRun] = {}
    broken: dict[Path, str] = {}
    for folder in folders:
        found = find_records(existing_folder(folder))
        runs |= {run.path.resolve(): run for run in found.runs}
        trials |= {run.path.resolve(): run for run in found.trials}
        broken |= {path.resolve(): reason for path, reason in found.broken}
    if not runs and not (trials and trials_too):
        only = "There are only trials of a search. " if trials else ""
        shown, more = list(broken.values())[:_REASONS_SHOWN], len(broken) - _REASONS_SHOWN
        reasons = only + (" ".join(shown) or "A run's directory has a record.json.")
        reasons += f" {more} more cannot be read." if more > 0 else ""
        raise RequestError(f"No run to show below {', '.join(map(str, folders))}. {reasons}")
    return FoundRuns(list(runs.values()), list(trials.values()), list(broken.items()))


def read_summary(folders: list[Path]) -> "Summary":
    """Return the runs below the folders by setting, and print a warning for each one that is left out."""
    from frod_bench.report.summary import summarise

    found = read_runs(folders)
    summary = summarise(found.runs, found.trials)
    warn([reason for _, reason in found.broken] + summary.warnings)
    return summary


def warn(warnings: Iterable[str]) -> None:
    """Print why runs are left out: the first 20 reasons, and how many more there are."""
    warnings = list(warnings)
    for warning in warnings[:_WARNINGS_SHOWN]:
        show(f"warning: {one_line(warning)}", file=sys.stderr)
    if (more := len(warnings) - _WARNINGS_SHOWN) > 0:
        show(f"warning: {more:,} more warnings like these.", file=sys.stderr)
