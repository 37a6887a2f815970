"""Pack the complete runs below FOLDER, without adapters: `python scripts/archive_runs.py FOLDER [--remove]`.

Each task gets one file, FOLDER/SUITE_TASK.runs.jsonl, with one line per run. Reports and tables read it as they read
folders. Runs that are already in an archive stay in it. --remove deletes the folders that were packed.
"""

import argparse
import shutil
from collections import defaultdict
from pathlib import Path

from frod_bench.files import save_text
from frod_bench.reading import read_text
from frod_bench.record import RunDirectory, find_records
from frod_bench.record.archive import CONFIG, LOSSES_FILE, METRICS_FILE, RECORD, SUFFIX, ArchivedRun, archive_line


def main() -> None:
    """Pack every complete run below the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--remove", action="store_true", help="delete the directories that were packed")
    arguments = parser.parse_args()
    lines: dict[str, dict[str, str]] = defaultdict(dict)
    packed = []
    for run in find_records(arguments.folder).runs:
        if run.record.status != "completed":
            continue
        if isinstance(run.files, ArchivedRun):
            name, texts = run.files.name, {file: run.files.text(file) for file in run.files.names()}
        else:
            name, texts = run.path.relative_to(arguments.folder).as_posix(), _texts(run.files)
            packed.append(run.path)
        lines[run.record.task.replace("/", "_")][name] = archive_line(name, texts)
    for task, own in lines.items():
        save_text(arguments.folder / f"{task}{SUFFIX}", "".join(line for _, line in sorted(own.items())))
    for path in packed if arguments.remove else ():
        shutil.rmtree(path)
        _remove_empty(path.parent, arguments.folder)
    print(f"{sum(map(len, lines.values()))} runs in {len(lines)} archives, {len(packed)} of them new")


def _texts(run: RunDirectory) -> dict[str, str]:
    files = {RECORD: run.record, CONFIG: run.config, METRICS_FILE: run.metrics, LOSSES_FILE: run.losses}
    return {name: read_text(file) for name, file in files.items() if file.exists()}


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


if __name__ == "__main__":
    main()
