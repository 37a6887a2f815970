"""`frod-bench retention`: score tuned models on a task that they were not tuned on."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.retention_text import measure_text
from frod_bench.cli.written import say_written, write_texts, writing
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.console import show
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.files import save_text
from frod_bench.record import RunDirectory
from frod_bench.record.retention_record import FILE, RetentionRecord, read_retention

_EXAMPLES = """\
examples:
  frod-bench retention outputs/offline/vit_tiny/vision/eurosat --task vision/cifar10 --to kept data.root=DIR
  frod-bench retention RUN RUN RUN --task glue/qnli --to kept data.max_train=1000 data.max_eval=2000
  frod-bench retention outputs/offline/smollm2_135m --text --to kept

The base model gets a head for the task, fitted on the features of its frozen body (data.max_train=N training rows).
Every run's body is then scored with that same head: what it lost against the base, it has forgotten. Methods are
compared on the same rows.

--text measures what language models (protocol=paper on commonsense tasks) have kept of text in general: the perplexity
of each run and of its base on passages of BoolQ's validation rows, 200 of them unless data.max_eval=N says otherwise.
Runs whose language-model head was replaced or changed are left out.

Type the same command again to resume after an interruption. DIR gets retention.json, tables, a figure and the
predictions of every run; with --text, perplexity.json and a table.
"""


def main(argv: list[str]) -> int:
    """Score what is missing, print and write the tables. Raises RequestError for runs or a task that do not fit."""
    arguments = _parser().parse_intermixed_args(argv)
    if not arguments.text and arguments.task not in choices("task"):
        raise RequestError(f"--task {arguments.task} is not known. {did_you_mean(arguments.task, choices('task'))}")
    overrides = [current_override(word) for word in arguments.runs if "=" in word]
    folders = [run for word in arguments.runs if "=" not in word for run in _run_folders(Path(word))]
    if not folders:
        raise RequestError("Name the runs to score: their folders, or one above them.")
    if arguments.to.exists() and not arguments.to.is_dir():
        raise RequestError(f"--to {arguments.to} is not a folder.")
    if arguments.text:
        measure_text(list(dict.fromkeys(folders)), overrides, arguments.to)
        return 0
    file = arguments.to / FILE
    before = read_retention(file) if file.exists() else None
    record = _measured(list(dict.fromkeys(folders)), overrides, arguments, before)
    from frod_bench.report import retention, table

    tables = retention.tables(record, arguments.to)
    show("\n" + "\n\n".join(map(table.to_text, tables)))
    written = write_texts(arguments.to, {"retention.md": "\n\n".join(map(table.to_markdown, tables)) + "\n"})
    with writing(arguments.to):
        written += retention.draw(record, arguments.to)
    say_written([file, *written])
    return 0


def _measured(
    folders: list[Path], overrides: list[str], arguments: argparse.Namespace, before: RetentionRecord | None
) -> RetentionRecord:
    from frod_bench.grid.retention import other_task  # these imports take seconds, and a refusal needs none of them
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs
    from frod_bench.runs.retention import measure_retention
    from frod_bench.runs.trained import TrainedRun

    hide_progress_bars_in_logs()
    runs = [TrainedRun(folder) for folder in folders]
    other = other_task(arguments.task, runs[0].config, overrides)
    record = None
    for record in measure_retention(runs, other, arguments.to, before):
        save_text(arguments.to / FILE, record.to_json())
        if record.results:
            last = record.results[-1]
            show(
                f"{len(record.results)} of {len(runs)}: {last['method']} tuned on {last['trained_on']}, seed"
                f" {last['seed']}: {100 * last['retained']:.2f} (base {100 * record.base:.2f})"
            )
        else:
            show(f"base: {100 * record.base:.2f} on {record.rows:,} rows, head fitted on {record.head_rows:,}")
    assert record is not None
    return record


def _run_folders(folder: Path) -> list[Path]:
    """Return the folder of a run, or of every complete run with an adapter below it. Raises RequestError for none."""
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder}. Give the folders of runs, or one above them.")
    found = sorted(path.parent for path in folder.rglob("adapter") if (path.parent / "config.yaml").is_file())
    if not found:
        raise RequestError(f"There is no run with its adapter below {folder}; archived runs have none.")
    complete = [run for run in found if _is_reported(RunDirectory(run))]
    if not complete:
        raise RequestError(f"No run below {folder} is complete and scored on evaluation rows.")
    return complete


def _is_reported(run: RunDirectory) -> bool:
    try:
        record = run.read_record()
    except RequestError:
        return False
    return record.status == "completed" and not record.is_trial


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench retention", "Measure what tuned models have kept of a task that they were not tuned on.", _EXAMPLES
    )
    add = parser.add_argument
    add(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run's folder, or one above several; KEY=VALUE is an override of the rows",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", metavar="T", help="the task to score, of the same kind as the runs'")
    what.add_argument("--text", action="store_true", help="measure language models: their perplexity on Wikipedia")
    add("--to", type=Path, required=True, metavar="DIR", help="a folder for the results; complete ones are kept")
    return parser
