"""`frod-bench report`: stored runs as tables and figures."""

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_summary, warn
from frod_bench.cli.written import say_written, write_texts, writing
from frod_bench.console import show
from frod_bench.grid.tables import is_printed

if TYPE_CHECKING:
    from frod_bench.report.summary import Summary
    from frod_bench.report.table import Table

_EXAMPLES = """\
examples:
  frod-bench report                             every run below outputs/
  frod-bench report outputs/offline             the runs below one folder
  frod-bench report outputs --to results/demo   also write report.md, report.csv and the learning curves
  frod-bench report table4 --profile offline    a table of the paper; `frod-bench report table4 --help` for more
  frod-bench report stats outputs               intervals, tests, ranks and the cost of convergence
  frod-bench report html outputs --to FILE      one page to mail
  frod-bench report outputs --with FILE|DIR     also results of PEFT's own comparison of methods, marked as theirs
  frod-bench report peft-json outputs --to DIR  the runs as files in the form of that comparison
  frod-bench report multitask outputs           merged models, and adapters that were trained on several tasks
"""

_KINDS = {  # each has main(argv)
    "stats": "frod_bench.cli.report_stats",
    "html": "frod_bench.cli.report_html",
    "multitask": "frod_bench.cli.report_multitask",
    "peft-json": "frod_bench.cli.report_peft_json",
}


def main(argv: list[str]) -> int:
    """Print the tables of the runs below the folders; with `--to`, write them and the figures as well.

    A first word of `stats`, `html`, `multitask`, `peft-json`, or the name of a table, is a report of its own.

    Raises RequestError when a folder does not exist, holds no run, or the place to write cannot be written.
    """
    if argv and argv[0] in _KINDS:
        return importlib.import_module(_KINDS[argv[0]]).main(argv[1:])
    if argv and is_printed(argv[0]):
        return importlib.import_module("frod_bench.cli.report_table").main(argv)  # Hydra takes a while
    arguments = _parser().parse_intermixed_args(argv)
    summary = read_summary(arguments.folders)
    others = [] if arguments.beside is None else [_beside(summary, arguments.beside)]
    from frod_bench.report import table
    from frod_bench.report.tables import to_text

    show("\n".join([to_text(summary), *(f"{table.to_text(each)}\n" for each in others)]), end="")
    if arguments.to is not None:
        say_written(_write(summary, others, arguments.to))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report",
        "Show stored runs as tables, one row per task and method, over the seeds. Runs with different profiles,"
        " protocols, backbones, selections or data sources are in separate tables. Every table has the score of the"
        " best epoch (what the released code reports) and of the last one.",
        _EXAMPLES,
    )
    add_folders(parser)
    parser.add_argument(
        "--with", dest="beside", type=Path, metavar="FILE|DIR",
        help="add a table of these results of PEFT's method comparison and of the runs",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, metavar="DIR",
        help="write report.md, report.csv, learning_curves.png and learning_curves.svg into DIR",
    )  # fmt: skip
    return parser


def _beside(summary: "Summary", place: Path) -> "Table":
    from frod_bench.report.peft_results import beside, read_results

    results, left_out = read_results(place)
    warn(f"Left out: {reason}" for reason in left_out)
    return beside(summary, results)


def _write(summary: "Summary", others: list["Table"], folder: Path) -> list[Path]:
    """Write the tables, and the figures when a run completed, into `folder`; return the files."""
    from frod_bench.report import table
    from frod_bench.report.figures import learning_curves  # matplotlib takes a second
    from frod_bench.report.tables import to_csv, to_markdown

    page = "\n".join([to_markdown(summary), *(f"{table.to_markdown(each, level=2)}\n" for each in others)])
    texts = {"report.md": page, "report.csv": to_csv(summary)} | {f"{t.name}.csv": table.to_csv(t) for t in others}
    files = write_texts(folder, texts)
    with writing(folder):
        figures = learning_curves(summary.sections, folder) if summary.sections else []
    return files + figures
