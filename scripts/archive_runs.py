"""Pack the complete runs and the trials below FOLDER: `python scripts/archive_runs.py FOLDER [--remove]`.

Adapters, scores of single rows and generated texts are left out.

Each task gets one file, FOLDER/SUITE_TASK.runs.jsonl, with one line per run. Reports and tables read it as they read
folders. Runs that are already in an archive stay in it. --remove deletes the folders that were packed.
"""

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

from frod_bench.files import save_text
from frod_bench.reading import read_text
from frod_bench.record import RunDirectory, find_records
from frod_bench.record.archive import (
    CONFIG,
    LOSSES_FILE,
    METRICS_FILE,
    PREDICTIONS,
    RECORD,
    SUFFIX,
    ArchivedRun,
    archive_line,
)
from frod_bench.record.find import StoredRun
from frod_bench.record.predictions import packed


def main() -> None:
    """Pack every complete run below the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--remove", action="store_true", help="delete the directories that were packed")
    arguments = parser.parse_args()
    lines: dict[str, dict[str, str]] = defaultdict(dict)
    moved = []
    found = find_records(arguments.folder)
    for run in [*found.runs, *found.trials]:
        if run.record.status != "completed" and not (run.record.is_trial and run.record.diverged):
            continue
        if isinstance(run.files, ArchivedRun):
            name, texts = run.files.name, {file: run.files.text(file) for file in run.files.names()}
        else:
            name, texts = run.path.relative_to(arguments.folder).as_posix(), _texts(run, run.files)
            moved.append(run.path)
        lines[run.record.task.replace("/", "_")][name] = archive_line(name, texts)
    for task, own in lines.items():
        save_text(arguments.folder / f"{task}{SUFFIX}", "".join(line for _, line in sorted(own.items())))
    for path in moved if arguments.remove else ():
        shutil.rmtree(path)
        _remove_empty(path.parent, arguments.folder)
    print(f"{sum(map(len, lines.values()))} runs in {len(lines)} archives, {len(moved)} of them new")


def _texts(run: StoredRun, place: RunDirectory) -> dict[str, str]:
    files = {RECORD: place.record, CONFIG: place.config, METRICS_FILE: place.metrics, LOSSES_FILE: place.losses}
    texts = {name: read_text(file) for name, file in files.items() if file.exists()}
    rows = {split: run.predictions(split) for split in run.record.predictions}
    return texts | ({PREDICTIONS: json.dumps({split: packed(found) for split, found in rows.items()})} if rows else {})


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


if __name__ == "__main__":
    main()
