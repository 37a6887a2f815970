"""`frod-bench predict`: what a stored run says of new rows, as a table or a file."""

import argparse
import contextlib
import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import writing
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.escape import csv_cell, one_line
from frod_bench.files import replacing, save_text
from frod_bench.record import RunDirectory
from frod_bench.runs.run_files import read_run_config
from frod_bench.tasks.row_table import IMAGE, RowTable, read_row_table

_FORMS = (".csv", ".jsonl", ".parquet")
_SHOWN = 20  # rows on a terminal
_WIDTH = 48  # characters of a text there
_EXAMPLES = """\
examples:
  frod-bench predict outputs/.../seed0-1a2b3c4d reviews.csv
  frod-bench predict outputs/.../seed0-1a2b3c4d reviews.csv --text review --to predictions.csv
  frod-bench predict outputs/.../seed0-1a2b3c4d photos/ --to predictions.parquet

ROWS is a parquet, CSV, TSV or JSON-lines file with the task's columns, a folder of images, or one image. Rows that have
the label column, or images in a folder of their class, are scored as well. Texts are cut, padded and batched as the
run's own evaluation rows were, so those rows get the very predictions that the run stored.
"""


def main(argv: list[str]) -> int:
    """Predict, then print or write the rows. Raises RequestError for a run or rows that cannot be used."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    config = read_run_config(arguments.run)
    columns = _own_columns(arguments.run)
    table = _with_task_columns(read_row_table(arguments.rows), config["task"] | columns, arguments)
    from frod_bench.runs.predict import load_run  # torch takes seconds to import, and a refusal needs none
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    with contextlib.redirect_stdout(sys.stderr):  # progress is no part of the result
        scored = load_run(arguments.run).score(table, arguments.batch_size)
    for note in scored.notes:
        show(f"note: {one_line(note)}", file=sys.stderr)
    if arguments.to is None:
        show(_shown(scored.records))
    else:
        with writing(arguments.to):
            _write(arguments.to, scored.records)
    if scored.metrics:
        found = ", ".join(f"{name} {value:.4f}" for name, value in scored.metrics.items())
        show(f"\n{found} on {scored.labelled:,} labelled rows")
    if arguments.to is not None:
        show(f"{len(scored.records):,} predictions: {arguments.to}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("frod-bench predict", "Predict new rows with the model of a complete run.", _EXAMPLES)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a complete run's folder, with config.yaml and adapter/")
    add("rows", type=Path, metavar="ROWS", help="a table file, a folder of images, or one image")
    add("--to", type=Path, metavar="FILE", help="write all rows: .csv, .jsonl or .parquet (default: print the first)")
    add("--text", nargs="+", metavar="COL", help="the columns of texts, where they have other names than the task's")
    add("--image", metavar="COL", help="the column of images: their bytes, or paths beside ROWS")
    add("--batch-size", type=int, metavar="N", help="rows at once (default: the run's train.eval_batch_size)")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    if arguments.to is not None and arguments.to.suffix not in _FORMS:
        raise RequestError(f"--to {arguments.to} is not accepted: a file that ends in {', '.join(_FORMS)}.")
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise RequestError(f"--batch-size {arguments.batch_size} is not accepted: a whole number above 0.")
    if not arguments.run.is_dir():
        raise RequestError(
            f"There is no folder {arguments.run}. Give a run's folder, as `frod-bench report` lists them."
        )


def _own_columns(run: Path) -> dict[str, Any]:
    """Return the columns that a run has found in rows of the user's own, under the keys of other tasks."""
    found = RunDirectory(run).read_record().data.get("columns")
    columns = found if isinstance(found, dict) else {}
    return {key: columns[own] for key, own in (("fields", "text"), ("image", "image")) if own in columns}


def _with_task_columns(table: RowTable, task: Mapping[str, Any], arguments: argparse.Namespace) -> RowTable:
    """Return the table with the task's names for its columns. Raises RequestError when one is missing."""
    fields: list[str] = task.get("fields") or []
    image: str | None = task.get("image") or (IMAGE if "image" in task else None)  # null: found, in a folder
    if arguments.text:
        if len(arguments.text) != len(fields):
            takes = f"it has {len(fields)}: {', '.join(fields)}" if fields else "its columns keep their names"
            raise RequestError(f"--text {' '.join(arguments.text)} does not fit {task['name']}: {takes}.")
        table = table.renamed(dict(zip(arguments.text, fields, strict=True)))
    if arguments.image is not None:
        if image is None:
            raise RequestError(f"--image {arguments.image} does not fit {task['name']}, which has texts.")
        table = table.renamed({arguments.image: image})
    table.require(fields)
    if image is not None and image not in table.columns:
        table.require([IMAGE])
    return table


def _shown(records: Sequence[Mapping[str, Any]]) -> str:
    from frod_bench.report.table import table_of_records, to_text

    def text(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.4f}"
        words = one_line(str(value))
        return words if len(words) <= _WIDTH else f"{words[: _WIDTH - 1]}…"

    table = to_text(table_of_records(records[:_SHOWN], text))
    more = len(records) - _SHOWN
    return f"{table}\n… and {more:,} more rows; --to FILE writes them all" if more > 0 else table


def _write(file: Path, records: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        save_text(file, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    elif file.suffix == ".csv":
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(csv_cell(name) for name in records[0])
        writer.writerows([csv_cell(value) for value in record.values()] for record in records)
        save_text(file, stream.getvalue())
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with replacing(file) as partial:
            pq.write_table(pa.Table.from_pylist(records), partial)
